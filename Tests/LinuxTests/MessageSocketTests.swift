// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Testing

@testable import Linux

/// Messages with descriptors: all of it arrives, or an error.
struct MessageSocketTests {
  private let ours: MessageSocket
  private let theirs: MessageSocket

  init() throws { (ours, theirs) = try MessageSocket.pair() }

  @Test func `a message arrives with its descriptors`() throws {
    #expect(try theirs.receive(8, waits: false) == nil)
    try ours.send([1, 2, 3], [ours.descriptor, ours.descriptor], waits: false)
    let message = try #require(try theirs.receive(8, waits: false))
    #expect(message.bytes == [1, 2, 3] && message.descriptors.count == 2)
    // They are the sockets that were sent.
    try MessageSocket(message.descriptors[1]).send([4], [], waits: false)
    #expect(try theirs.receive(8, waits: false)?.bytes == [4])
  }

  @Test(
    "more than there is room for is an error, and not a message without the rest",
    arguments: [(1, 201), (1, 253), (9, 1)])
  func cut(byteCount: Int, descriptorCount: Int) throws {
    let descriptors = [Descriptor](repeating: ours.descriptor, count: descriptorCount)
    try ours.send([UInt8](repeating: 1, count: byteCount), descriptors, waits: false)
    #expect {
      try theirs.receive(8, waits: false)
    } throws: { error in
      (error as? SystemError)?.errno == EMSGSIZE
    }
    // And the next one is whole.
    try ours.send([7], [], waits: false)
    #expect(try theirs.receive(8, waits: false)?.bytes == [7])
  }
}
