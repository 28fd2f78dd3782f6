// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import NBD
internal import TLS
internal import Transport

/// The server that a command connects to, without the daemon.
struct ServerOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "nbd[s]://HOST[:PORT]/EXPORT, nbd[s]+unix:///EXPORT?socket=PATH, nbd[s]+vsock://CID/EXPORT.",
      valueName: "URI"))
  var uri: String
  @Option(
    help: ArgumentHelp("How long to wait (for example 500ms or 5min).", valueName: "TIME"))
  var timeout = "30s"
  @Option(
    help: ArgumentHelp(
      "Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.",
      valueName: "PATH"),
    completion: .directory)
  var tlsCertificates: String?
  @Option(
    help: ArgumentHelp("File with the pre-shared key.", valueName: "PATH"), completion: .file())
  var tlsPskFile: String?
  @Option(help: ArgumentHelp("The priority string of GnuTLS.", valueName: "PRIORITY"))
  var tlsPriority: String?

  func parsed() throws(Failure) -> URI {
    try Usage.uri(uri, allowing: .usual.union(.localFiles))
  }

  func time() throws(Failure) -> Duration {
    try Usage.duration("--timeout", timeout)
  }

  /// Connects.
  ///
  /// - Parameters:
  ///   - uri: The server to connect to.
  ///   - isTotal: Whether the timeout is for the whole command; otherwise it is for each request.
  ///   - rest: The time that the command may take in addition, because it is meant to.
  ///   - interrupt: Ends the wait.
  /// - Returns: The stream, connected and encrypted if the URI says so.
  /// - Throws: The failure, with its exit status.
  func connect(
    to uri: URI, isTotal: Bool, besides rest: Duration = .zero, interrupt: Wakeup? = nil
  ) throws(Failure) -> ServerStream {
    let time = try time()
    var files = SecurityFiles()
    files.directory = tlsCertificates
    files.pskFile = tlsPskFile
    files.priority = tlsPriority
    let pace = Pace(connectTime: time, stepTime: time, end: isTotal ? .now + time + rest : nil)
    let credentials: Credentials?
    do throws(CredentialsError) {
      credentials = try files.credentials(for: uri)
    } catch {
      throw Failure(error)
    }
    do throws(ConnectError) {
      return try ServerStream.connect(to: uri.transport, pace, credentials, interrupt: interrupt)
    } catch {
      throw Failure(error)
    }
  }

  /// Returns what to request from the server for a URI.
  func request(for uri: URI) -> ExportRequest {
    var request = ExportRequest(uri)
    request.structuredReplies = true
    request.extendedHeaders = true
    return request
  }
}
