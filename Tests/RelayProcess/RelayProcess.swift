// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Transport

/// A process that relays one device, as nbdd does, and that a test kills: it continues with a Record.
///
/// Standard input is a socket, on which it receives the path of a server, with the Record, both ends of the kernel's
/// socket, and the connection of the process before it, if there was one. It replies with its own connection. With the
/// argument "blind" it does not look at what says how much was sent and received.
@main
enum RelayProcess {
  static func main() {
    do {
      try run(MessageSocket(Descriptor.inherited(STDIN_FILENO)))
    } catch {
      StandardStream.error.print("relay-process: \(error)\n")
      exit(EXIT_FAILURE)
    }
  }

  private static func run(_ parent: MessageSocket) throws {
    guard let (path, kept) = try parent.receive(256, waits: true), kept.count >= 3 else {
      exit(EX_USAGE)
    }
    let pace = Pace(connectTime: .seconds(20), stepTime: .seconds(20))
    let stream = try ServerStream.connect(to: .unix(path: path), pace)
    try parent.send([1], [stream.socket.descriptor], waits: true)

    var settings = DeviceRelay.Settings(requestTimeout: .seconds(3600), unflushedLimit: 1 << 20)
    settings.quietTime = .milliseconds(1)
    #if TEST_SWITCHES
      if Arguments.all.contains("blind") { settings.ignoring = [.note, .counter] }
    #endif
    let pair = SocketPair(kernel: kept[1], ours: kept[2])
    let relay = try DeviceRelay(
      Record(opening: kept[0]), [pair],
      former: kept.dropFirst(3).map { FormerConnection($0, number: 1) }, connectionCount: 1,
      settings
    ) { event in
      guard case .failed(let error) = event else { return }
      StandardStream.error.print("relay-process: \(error)\n")
      exit(EXIT_FAILURE)
    }
    let export = Export(
      name: "", sizeBytes: 1 << 30,
      flags: [.hasFlags, .sendFlush, .sendFUA, .sendTrim, .sendWriteZeroes])
    let negotiated = Negotiated(export: export, replies: .simple)
    relay.use(HandedStream(stream), negotiated, as: 0, number: 2)
    relay.run()
  }
}
