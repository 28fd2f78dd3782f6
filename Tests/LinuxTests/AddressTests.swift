// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Glibc
import Testing
import TestSupport

@testable import Linux

/// From names and paths to what a socket can be connected to.
struct AddressTests {
  @Test(arguments: [
    ("127.0.0.1", AF_INET, "127.0.0.1:10809"), ("::1", AF_INET6, "[::1]:10809"),
    ("2001:db8:0:0::7", AF_INET6, "[2001:db8::7]:10809"),
  ])
  func `an address is taken as it is, and written as in a URI`(
    host: String, family: CInt, description: String
  ) throws {
    let addresses = try Address.resolve(host: host, port: 10809)
    #expect(addresses.map(\.family) == [family])
    #expect(addresses.map(\.description) == [description])
  }

  @Test func `localhost is this machine`() throws {
    let addresses = try Address.resolve(host: "localhost", port: 7)
    #expect(!addresses.isEmpty)
    #expect(addresses.allSatisfy { ["127.0.0.1:7", "[::1]:7"].contains($0.description) })
    #expect(Set(addresses.map(\.description)).count == addresses.count)
  }

  @Test(.timeLimit(.minutes(1)), arguments: ["nonexistent.invalid", "1.2.3.4.5.invalid"])
  func `a name without an address is an error that names it`(host: String) {
    let error = #expect(throws: ResolutionError.self) {
      try Address.resolve(host: host, port: 10809)
    }
    #expect(error?.host == host)
    #expect(error?.reason.isEmpty == false)
    #expect(error.map { "\($0)" }?.hasPrefix("cannot resolve '\(host)': ") == true)
  }

  @Test func `a path holds up to 107 bytes, an abstract name up to 108 with its first`() {
    let path = { (count: Int) in [UInt8](repeating: UInt8(ascii: "a"), count: count) }
    #expect(Address.unix(path: path(107))?.bytes.count == 2 + 107 + 1)
    #expect(Address.unix(path: path(108)) == nil)
    #expect(Address.unix(path: [0] + path(107))?.bytes.count == 2 + 108)
    #expect(Address.unix(path: [0] + path(108)) == nil)
    #expect(Address.unix(path: []) == nil)
  }

  @Test func `a path ends in a NUL, an abstract name only begins with one`() throws {
    let path = try #require(Address.unix(path: Array("/run/s".utf8)))
    #expect(path.family == AF_UNIX)
    #expect(Array(path.bytes.dropFirst(2)) == Array("/run/s\0".utf8))
    #expect(path.description == "/run/s")
    let name = try #require(Address.unix(path: Array("\0name".utf8)))
    #expect(Array(name.bytes.dropFirst(2)) == Array("\0name".utf8))
    #expect(name.description == "@name")
  }

  @Test func `the longest path and an abstract name can be connected to`() throws {
    let directory = try TemporaryDirectory()
    let name = String(repeating: "s", count: 107 - directory.path.utf8.count - 1)
    let abstract = try #require(Address.unix(path: [0] + Array(directory.path.utf8)))
    for listener in [
      try Listener(path: "\(directory.path)/\(name)"), try Listener(abstract),
    ] {
      let client = try StreamSocket.connect(to: listener.address, within: .seconds(10))
      let server = try listener.accept()
      try client.send([1, 2, 3], until: .now + .seconds(10), .seconds(10))
      #expect(try ControlSocket.receive(from: server, limit: 8) == [1, 2, 3])
    }
  }
}
