// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import Varlink

/// The stream, however it is cut.
struct DeframerTests {
  @Test(arguments: 1...12)
  func `gives the same messages for every cut`(size: Int) throws {
    let stream = Array("one\0\0three\0four".utf8)
    var deframer = Deframer(limit: 5)
    var messages: [[UInt8]] = []
    for begin in stride(from: 0, to: stream.count, by: size) {
      try deframer.append(stream[begin..<min(begin + size, stream.count)])
      while let message = deframer.next() { messages.append(message) }
    }
    #expect(messages == ["one", "", "three"].map { Array($0.utf8) })
    #expect(deframer.isInsideMessage)
    try deframer.append([0])
    #expect(deframer.next() == Array("four".utf8))
    #expect(deframer.next() == nil)
    #expect(!deframer.isInsideMessage)
  }

  @Test
  func `hands out messages one by one while more come`() throws {
    var deframer = Deframer(limit: 10)
    try deframer.append(Array("a\0b\0c".utf8))
    #expect(deframer.next() == [0x61])
    try deframer.append(Array("d\0".utf8))
    #expect(deframer.next() == [0x62])
    #expect(deframer.next() == [0x63, 0x64])
    #expect(deframer.next() == nil)
  }

  @Test
  func `takes a message as long as the limit and refuses a longer one`() throws {
    var deframer = Deframer(limit: 3)
    try deframer.append(Array("abc\0".utf8))
    #expect(deframer.next() == Array("abc".utf8))
    try deframer.append(Array("d\0ab".utf8))
    try deframer.append(Array("c".utf8))
    #expect(throws: MessageError(message: "a message is longer than 3 bytes")) {
      try deframer.append(Array("d\0".utf8))
    }
    #expect(deframer.next() == Array("d".utf8))
    #expect(deframer.next() == nil)
  }

  @Test
  func `refuses a long message behind others in one chunk`() throws {
    var deframer = Deframer(limit: 3)
    #expect(throws: MessageError.self) { try deframer.append(Array("a\0bcde\0f\0".utf8)) }
    #expect(deframer.next() == Array("a".utf8))
    #expect(deframer.next() == nil)
  }

  @Test(.timeLimit(.minutes(1)))
  func `takes a megabyte byte by byte, and a flood of empty messages, in time`() throws {
    var deframer = Deframer(limit: 1 << 20)
    var count = 0
    for _ in 0..<1 << 20 {
      try deframer.append(CollectionOfOne(0x61))
      count += deframer.next() == nil ? 0 : 1
    }
    #expect(count == 0)
    try deframer.append(CollectionOfOne(0))
    #expect(deframer.next()?.count == 1 << 20)

    try deframer.append([UInt8](repeating: 0, count: 200_000))
    while let message = deframer.next() { count += message.isEmpty ? 1 : 0 }
    #expect(count == 200_000)
  }
}
