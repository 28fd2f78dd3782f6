// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc

@testable import Linux

/// A listening socket of a test, on a port that the kernel chose or at a path of the test's own.
final class Listener: Sendable {
  /// Where to connect to.
  let address: Address
  private let descriptor: Descriptor

  /// Listens at an address; port 0 stands for any that is free.
  init(_ wanted: Address, backlog: CInt = 8) throws {
    let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    descriptor = Descriptor(owning: try check("socket") { socket(wanted.family, type, 0) })
    let number = descriptor.number
    try check("bind") {
      unsafe wanted.bytes.withUnsafeBytes { raw -> CInt in
        guard let start = raw.baseAddress else { return -1 }
        return unsafe bind(
          number,
          __CONST_SOCKADDR_ARG(__sockaddr__: start.assumingMemoryBound(to: sockaddr.self)),
          socklen_t(raw.count))
      }
    }
    try check("listen") { listen(number, backlog) }
    address = try Self.address(of: number, wanted)
  }

  /// Listens on a free port of an IP address.
  convenience init(host: String, backlog: CInt = 8) throws {
    let addresses = try Address.resolve(host: host, port: 0)
    guard let address = addresses.first else { throw SystemError("resolve", EADDRNOTAVAIL) }
    try self.init(address, backlog: backlog)
  }

  /// Listens at a path.
  convenience init(path: String, backlog: CInt = 8) throws {
    guard let address = Address.unix(path: Array(path.utf8)) else {
      throw SystemError("bind", ENAMETOOLONG)
    }
    try self.init(address, backlog: backlog)
  }

  /// Waits for a connection.
  func accept() throws(SystemError) -> Descriptor {
    Descriptor(
      owning: try check("accept") {
        unsafe accept4(
          descriptor.number, __SOCKADDR_ARG(__sockaddr__: nil), nil, CInt(SOCK_CLOEXEC.rawValue))
      })
  }

  /// Connects until there is no more room for a connection that waits; keeps them all.
  func fill() throws(SocketError) -> [StreamSocket] {
    var sockets: [StreamSocket] = []
    while true {
      do throws(SocketError) {
        sockets.append(try StreamSocket.connect(to: address, within: .milliseconds(100)))
      } catch .timedOut {
        return sockets
      }
    }
  }

  static let hasIPv6 = (try? Listener(host: "::1")) != nil

  private static func address(of number: CInt, _ wanted: Address) throws -> Address {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    try unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      _ = try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        try check("getsockname") {
          unsafe getsockname(number, __SOCKADDR_ARG(__sockaddr__: name), &length)
        }
      }
    }
    let port = unsafe withUnsafeBytes(of: storage) { raw in
      unsafe UInt16(bigEndian: raw.load(fromByteOffset: 2, as: UInt16.self))
    }
    switch wanted.family {
    case AF_INET: return try Address.resolve(host: "127.0.0.1", port: port)[0]
    case AF_INET6: return try Address.resolve(host: "::1", port: port)[0]
    default: return wanted
    }
  }
}

/// Runs `body` on a thread of its own, as the daemon does, and waits for what it answers.
func onThread<Value: Sendable>(
  _ name: String = "test", _ body: @escaping @Sendable () -> Value
) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    do throws(SystemError) {
      try Thread.start(name) { continuation.resume(returning: body()) }
    } catch {
      continuation.resume(throwing: error)
    }
  }
}
