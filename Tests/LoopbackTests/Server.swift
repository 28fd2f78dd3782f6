// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
internal import Transport
@testable import Daemon

/// A real NBD server that runs as long as its workspace.
struct Server {
  let address: Address
  /// Of the default export.
  let uri: String

  /// The exports that a server offers are in `arguments`; it listens on a UNIX socket.
  static func nbdkit(_ arguments: String..., in workspace: Workspace) throws -> Server {
    try nbdkit(arguments, in: workspace)
  }

  static func nbdkit(_ arguments: [String], in workspace: Workspace) throws -> Server {
    let socket = workspace.file("nbdkit.sock")
    return try unix(socket, ["nbdkit", "-f", "-U", socket] + arguments, workspace)
  }

  /// On TCP at a loopback address, with an export of 1 MiB.
  static func nbdkit(onTCP host: String, in workspace: Workspace) throws -> Server {
    // Somebody else may be given the port first.
    for _ in 1..<5 {
      if let server = try? nbdkit(host, Workspace.freePort(host), workspace) { return server }
    }
    return try nbdkit(host, Workspace.freePort(host), workspace)
  }

  private static func nbdkit(
    _ host: String, _ port: UInt16, _ workspace: Workspace
  ) throws -> Server {
    let program = try workspace.start(
      ["nbdkit", "-f", "-i", host, "-p", "\(port)", "null", "size=1M"])
    let address = try Address.resolve(host: host, port: port)[0]
    let server = Server(address: address, uri: "nbd://\(address)/")
    try server.awaitAnswer { program.poll().map { _ in program.errors } }
    return server
  }

  /// On a name that is not in the file system, which nbdkit has to be handed.
  static func nbdkit(onAbstract name: String, in workspace: Workspace) throws -> Server {
    guard let address = Address.unix(path: [0] + Array(name.utf8)) else {
      throw Overdue(description: "a shorter name")
    }
    let activate = Tool.socketActivate.rawValue
    let server = Server(address: address, uri: "nbd+unix:///?socket=%00\(name)")
    // The first connection starts it, and is not lost.
    _ = try workspace.start(
      [activate, "-l", "@\(name)", "--", Tool.nbdkit.path ?? "", "-f", "null", "size=1M"])
    return server
  }

  /// With exports of 1 MiB; `settings` go to each, and `general` ones to the server.
  static func nbdServer(
    exports: [String], settings: String = "", general: String = "", in workspace: Workspace
  ) throws -> Server {
    let socket = workspace.file("nbd-server.sock")
    var text = "[generic]\n  unixsock = \(socket)\n  allowlist = true\n\(general)\n"
    for name in exports {
      let image = try workspace.write(String(repeating: "\0", count: 1 << 20), to: "\(name).img")
      text += "[\(name)]\n  exportname = \(image)\n  \(settings)\n"
    }
    let configuration = try workspace.write(text, to: "nbd-server.conf")
    // Kept in the foreground it would serve a single client.
    let starter = try workspace.start(
      ["nbd-server", "-C", configuration, "-p", workspace.adopted("nbd-server")])
    guard try starter.wait() == 0 else {
      throw Overdue(description: "nbd-server, but it said: \(starter.errors)")
    }
    return try unix(socket, workspace) { nil }
  }

  /// With an export of 1 MiB.
  static func qemu(_ arguments: String..., in workspace: Workspace) throws -> Server {
    let socket = workspace.file("qemu.sock")
    let image = try workspace.write(String(repeating: "\0", count: 1 << 20), to: "qemu.img")
    return try unix(
      socket, ["qemu-nbd", "-t", "-e", "0", "-f", "raw", "-k", socket] + arguments + [image],
      workspace)
  }

  /// With an image of the workspace.
  static func qemu(
    serving image: String, format: String = "qcow2", _ arguments: String..., in workspace: Workspace
  ) throws -> Server {
    let socket = workspace.file("qemu.sock")
    return try unix(
      socket,
      ["qemu-nbd", "-t", "-e", "0", "-f", format, "-k", socket] + arguments
        + [workspace.file(image)], workspace)
  }

  /// With TLS or not at all, by a pre-shared key.
  static func requiringTLS(in workspace: Workspace) throws -> Server {
    let keys = try workspace.write("nbdd:\(String(repeating: "5a", count: 32))\n", to: "psk")
    return try nbdkit("--tls=require", "--tls-psk=\(keys)", "null", "size=1M", in: workspace)
  }

  /// What AttachThread does before it turns to the kernel.
  func negotiate(_ name: String = "", details: Bool = false) throws -> Negotiated {
    let pace = Pace(connectTime: .seconds(60), stepTime: .seconds(60))
    let stream = try ServerStream.connect(to: URI(parsing: uri).transport, pace)
    var request = ExportRequest(name)
    request.details = details
    return try NBD.negotiate(request, over: stream)
  }

  private static func unix(
    _ socket: String, _ command: [String], _ workspace: Workspace
  ) throws -> Server {
    let program = try workspace.start(command)
    return try unix(socket, workspace) { program.poll().map { _ in program.errors } }
  }

  private static func unix(
    _ socket: String, _ workspace: Workspace, failure: () -> String?
  ) throws -> Server {
    guard let address = Address.unix(path: Array(socket.utf8)) else {
      throw Overdue(description: "a shorter TMPDIR")
    }
    let server = Server(address: address, uri: "nbd+unix:///?socket=\(socket)")
    try server.awaitAnswer(failure)
    return server
  }

  private func awaitAnswer(_ failure: () -> String?) throws {
    var text: String?
    try eventually("a server at \(address)") {
      text = failure()
      return text != nil || (try? StreamSocket.connect(to: address, within: .seconds(1))) != nil
    }
    if let text { throw Overdue(description: "a server at \(address), but it said: \(text)") }
  }
}
