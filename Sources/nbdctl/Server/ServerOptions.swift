// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Linux
internal import NBD
internal import TLS
internal import Transport

/// How a server is reached without the daemon.
struct ServerOptions: ParsableArguments {
  @Argument(
    help:
      "nbd[s]://HOST[:PORT]/EXPORT, nbd[s]+unix:///EXPORT?socket=PATH, nbd[s]+vsock://CID/EXPORT.")
  var uri: String
  @ArgumentParser.Option(help: "How long to wait, as 500ms, 30s or 5min.")
  var timeout = "30s"
  @ArgumentParser.Option(
    help: "Directory with ca-cert.pem, ca-crl.pem, client-cert.pem and client-key.pem.",
    completion: .directory)
  var tlsCertificates: String?
  @ArgumentParser.Option(help: "File with the pre-shared key.", completion: .file())
  var tlsPskFile: String?
  @ArgumentParser.Option(help: "GnuTLS's priority string.")
  var tlsPriority: String?

  func parsed() throws(Failure) -> URI {
    try Usage.uri(uri, allowing: .usual.union(.localFiles))
  }

  func time() throws(Failure) -> Duration {
    try Usage.duration("--timeout", timeout)
  }

  /// Connects; `isTotal` says that the time is for all there is to do, besides what is meant to take
  /// its time, else it is for each request.
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

  /// What is asked of the server for a URI.
  func request(for uri: URI) -> ExportRequest {
    var request = ExportRequest(uri)
    request.structuredReplies = true
    request.extendedHeaders = true
    return request
  }
}
