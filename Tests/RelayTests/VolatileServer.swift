// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Synchronization

/// A server that loses what was not flushed whenever a client connects, and that replies to a flush only after the
/// next request, if one comes soon.
final class VolatileServer: Sendable {
  static let flags: TransmissionFlags = [
    .hasFlags, .sendFlush, .sendFUA, .sendTrim, .sendWriteZeroes,
  ]

  private struct Disk {
    var stable = [UInt8](repeating: 0, count: 256 << 10)
    var cached = [UInt8](repeating: 0, count: 256 << 10)
  }
  private let disk = Mutex(Disk())

  /// Serves a client, on a thread of its own.
  func serve(_ socket: Descriptor) throws {
    disk.withLock { $0.cached = $0.stable }
    try Thread.start("server") { [self] in
      let connection = PeerConnection(socket, .simple)
      while let request = try? connection.next(), request.command != .disconnect {
        if request.command == .flush {
          disk.withLock { $0.stable = $0.cached }
          var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
          if unsafe poll(&entry, 1, 1) == 1, let next = try? connection.next() {
            if next.command == .disconnect { break }
            connection.reply(next, execute(next))
          }
          connection.reply(request)
        } else {
          connection.reply(request, execute(request))
        }
      }
      connection.close()
    }
  }

  private func execute(_ request: PeerConnection.Request) -> [UInt8] {
    disk.withLock { disk in
      let start = Int(request.header.offset)
      let range = start..<start + Int(request.header.length)
      switch request.command {
      case .read: return Array(disk.cached[range])
      case .write:
        disk.cached.replaceSubrange(range, with: request.data)
        if request.header.flags.contains(.fua) {
          disk.stable.replaceSubrange(range, with: request.data)
        }
      case .writeZeroes, .trim:
        disk.cached.replaceSubrange(range, with: repeatElement(0, count: range.count))
      case .flush: disk.stable = disk.cached
      default: break
      }
      return []
    }
  }
}

extension PeerConnection {
  fileprivate func reply(_ request: Request, _ data: [UInt8]) {
    reply(request, error: 0, data)
  }
}
