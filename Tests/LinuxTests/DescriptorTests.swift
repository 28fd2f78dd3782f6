// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Testing
import TestSupport

@testable import Linux

/// Descriptors: closed with the last reference, and not given to other programs.
@Suite(.timeLimit(.minutes(1)))
struct DescriptorTests {
  /// A pipe; that its writing end is closed shows at the reading end.
  private func pipe() throws -> (reading: Descriptor, writing: Descriptor) {
    var ends: [CInt] = [-1, -1]
    try check("pipe2") { unsafe pipe2(&ends, O_CLOEXEC | O_NONBLOCK) }
    return (Descriptor(owning: ends[0]), Descriptor(owning: ends[1]))
  }

  private func hasEnded(_ reading: Descriptor) -> Bool {
    var byte: UInt8 = 0
    return unsafe read(reading.number, &byte, 1) == 0
  }

  @Test func `is closed when nobody refers to it any more`() throws {
    let reading: Descriptor
    var owners: [Descriptor] = []
    do {
      let ends = try pipe()
      reading = ends.reading
      owners = [ends.writing, ends.writing]
    }
    owners.removeLast()
    #expect(!hasEnded(reading))
    owners.removeLast()
    #expect(hasEnded(reading))
  }

  @Test func `a copy of an inherited one lives on its own and is closed on exec`() throws {
    let reading: Descriptor
    var owners: [Descriptor] = []
    do {
      let ends = try pipe()
      reading = ends.reading
      owners.append(try Descriptor.inherited(ends.writing.number))
    }
    #expect(!hasEnded(reading))
    #expect(fcntl(owners[0].number, F_GETFD) == FD_CLOEXEC)
    owners.removeLast()
    #expect(hasEnded(reading))
  }

  @Test func `one that the process was started without is an error`() {
    #expect(throws: SystemError("dup", EBADF)) { try Descriptor.inherited(1 << 20) }
  }

  @Test func `to use a closed descriptor, or memory that is none, ends the program`() async {
    await #expect(processExitsWith: .failure) {
      try check("fsync") { fsync(-1) }
    }
    await #expect(processExitsWith: .failure) {
      try check("pipe2") { unsafe pipe2(UnsafeMutablePointer(bitPattern: 8)!, 0) }
    }
  }

  @Test func `a socket is closed with its last owner`() throws {
    let listener = try Listener(host: "127.0.0.1")
    var client: StreamSocket? = try StreamSocket.connect(
      to: listener.address, within: .seconds(10))
    let server = try listener.accept()
    #expect(client != nil)
    client = nil
    #expect(try ControlSocket.receive(from: server, limit: 1) == [])
  }

  @Test func `an opened file is not given to other programs`() throws {
    let file = try Descriptor.open("/dev/null", O_RDONLY)
    #expect(fcntl(file.number, F_GETFD) == FD_CLOEXEC)
  }

  @Test func `a file that cannot be opened is an error that names it`() {
    let error = #expect(throws: SystemError.self) {
      try Descriptor.open("/nbdd/has/no/such/file", O_RDONLY)
    }
    #expect(error?.errno == ENOENT)
    #expect(error?.description == "open /nbdd/has/no/such/file: No such file or directory")
  }

  @Test func `blocking can be switched on and off`() throws {
    let reading = try pipe().reading
    try reading.setBlocking(true)
    #expect(fcntl(reading.number, F_GETFL) & O_NONBLOCK == 0)
    try reading.setBlocking(false)
    #expect(fcntl(reading.number, F_GETFL) & O_NONBLOCK != 0)
  }

  @Test func `one open file at a time has the lock, until it is closed`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("", to: "file")
    var first: Descriptor? = try Descriptor.open(path, O_RDONLY)
    let second = try Descriptor.open(path, O_RDONLY)
    #expect(first?.tryLock() == true)
    #expect(!second.tryLock())
    first = nil
    #expect(second.tryLock())
  }

  @Test func `a file can be synchronized, a pipe cannot`() throws {
    let directory = try TemporaryDirectory()
    try Descriptor.open(try directory.write("text", to: "file"), O_WRONLY).synchronize()
    #expect(throws: SystemError("fsync", EINVAL)) { try pipe().writing.synchronize() }
  }
}
