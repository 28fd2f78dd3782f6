// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Testing
internal import TestSupport
internal import TLS
internal import Transport

/// A real server, which can be killed and started again, and ends with the test.
final class Server {
  /// How it is reached.
  enum Link: CaseIterable { case unix, tcp, certificate, preSharedKey }

  private let directory: TemporaryDirectory
  private let transport: URI.Transport
  private let command: [String]
  private let credentials: Credentials?
  private var process: pid_t?

  /// Starts nbdkit with those arguments; in them @ stands for a directory that has a sparse file
  /// `image` of 64 MiB, and the script `plugin`.
  init(_ arguments: String..., link: Link = .unix, plugin: String? = nil) throws {
    directory = try TemporaryDirectory()
    let path = directory.path
    unsafe truncate(try directory.write("", to: "image"), 64 << 20)
    var command = ["nbdkit", "-f"]
    if link == .unix {
      command += ["-U", "\(path)/socket"]
      transport = .unix(path: Array("\(path)/socket".utf8))
    } else {
      let port = UInt16.random(in: 15000...32000)
      command += ["-i", "127.0.0.1", "-p", "\(port)"]
      transport = .tcp(host: "127.0.0.1", port: port)
    }
    var settings = Credentials.Settings()
    switch link {
    case .unix, .tcp: break
    case .certificate:
      try Self.makeCertificate(in: path)
      command += ["--tls=require", "--tls-certificates=\(path)"]
      settings.caFile = "\(path)/ca-cert.pem"
      settings.hostname = "localhost"
    case .preSharedKey:
      settings.method = .preSharedKey
      let key = String(repeating: "5a", count: 32)
      settings.pskFile = try directory.write("nbdd:\(key)\n", to: "psk")
      unsafe chmod("\(path)/psk", 0o600)
      command += ["--tls=require", "--tls-psk=\(path)/psk"]
    }
    if let plugin {
      _ = try directory.write(plugin.replacing("@", with: path), to: "plugin")
      unsafe chmod("\(path)/plugin", 0o700)
    }
    credentials = link == .unix || link == .tcp ? nil : try Credentials(settings)
    self.command = command + arguments.map { $0.replacing("@", with: path) }
    try start()
  }

  deinit { kill() }

  /// Whether it still runs; what it said otherwise.
  var state: String {
    var raw: CInt = 0
    guard let process, unsafe waitpid(process, &raw, WNOHANG) == process else { return "runs" }
    self.process = nil
    return "ended with \(raw): \(File.contents(of: file("errors")) ?? "")"
  }

  func file(_ name: String) -> String { "\(directory.path)/\(name)" }

  /// As if the machine had been switched off, but for what is in its kernel's memory.
  func kill(_ signal: CInt = SIGKILL) {
    guard let process else { return }
    Glibc.kill(process, signal)
    waitpid(process, nil, 0)
    self.process = nil
  }

  /// Holds it, so that it neither sends nor receives, or lets it go on.
  func hold(_ isHeld: Bool) {
    guard let process else { return }
    Glibc.kill(process, isHeld ? SIGSTOP : SIGCONT)
    // Its threads go on for a moment after the signal, on a busy machine for long enough to answer.
    if isHeld { waitpid(process, nil, WUNTRACED) }
  }

  /// Starts it, and waits until it accepts connections.
  func start() throws {
    unsafe unlink(file("socket"))
    unsafe unlink(file("errors"))
    process = try spawn(command, errors: .file(file("errors")))
    try eventually("nbdkit: \(File.contents(of: file("errors")) ?? "")") {
      if let process, waitpid(process, nil, WNOHANG) == process {
        self.process = nil
        throw Wrong("nbdkit ended: \(File.contents(of: file("errors")) ?? "")")
      }
      return (try? ServerStream.connect(to: transport, Self.pace)) != nil
    }
  }

  /// A connection, and what was agreed on.
  func connect(_ replies: ReplyStyle = .structured) throws -> (ServerStream, Negotiated) {
    let stream = try ServerStream.connect(to: transport, Self.pace, credentials)
    var request = ExportRequest("")
    request.security = credentials == nil ? .none : .required
    request.structuredReplies = replies != .simple
    request.extendedHeaders = replies == .extended
    return (stream, try NBD.negotiate(request, over: stream))
  }

  static let pace = Pace(connectTime: .seconds(20), stepTime: .seconds(20))

  /// A certificate for localhost that is its own authority.
  private static func makeCertificate(in directory: String) throws {
    let result = try ChildProcess.run(
      [
        "openssl", "req", "-x509", "-days", "2", "-subj", "/CN=localhost", "-newkey", "ec",
        "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-addext",
        "subjectAltName=DNS:localhost", "-keyout", "\(directory)/server-key.pem", "-out",
        "\(directory)/server-cert.pem",
      ], within: .seconds(60))
    guard result.status == 0 else { throw Wrong(result.output) }
    _ = try ChildProcess.run(
      ["cp", "\(directory)/server-cert.pem", "\(directory)/ca-cert.pem"], within: .seconds(60))
  }
}

extension Trait where Self == ConditionTrait {
  static var needsServers: Self {
    .enabled(
      if: has("nbdkit") && has("openssl"),
      "needs nbdkit and openssl: apt-get install nbdkit openssl")
  }

  private static func has(_ program: String) -> Bool {
    (try? ChildProcess.run([program, "version"], within: .seconds(60))) != nil
  }
}
