// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// The cases of Tests/Hostile/hostile-cases.json that write, with the bytes that stand there.
struct HostileWriteTests {
  private static let payload = [UInt8](repeating: 1, count: 512)

  // Case W01
  // Rows: T-026
  @Test func `a write for which there is no space fails alone`() throws {
    let (transmission, _) = transmit(
      terms(), hex("67446698 0000001c 0000000000000001") + Wire.simple(2))
    _ = try transmission.submit(Request(.write, offset: 1024, length: 512), payload: Self.payload)
    let error = #expect(throws: TransmissionError.self) {
      try transmission.next()?.result.get()
    }
    guard case .failed(let failure) = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(failure.number == .noSpace)
    #expect(error?.isOutcomeUnknown == false)
    #expect(transmission.isOpen)
    #expect(try transmission.perform(Request(.flush)) == .done)
  }

  // Case W02
  // Rows: T-052
  @Test func `a write that is answered with data ends the connection`() throws {
    let chunk = "668e33ef 0001 0001 0000000000000001 00000018 0000000000000400"
    let (transmission, stream) = transmit(
      terms(.structured), hex(chunk) + [UInt8](repeating: 0x5a, count: 16))
    _ = try transmission.submit(Request(.write, offset: 1024, length: 512), payload: Self.payload)
    let error = #expect(throws: TransmissionError.self) {
      try transmission.next()?.result.get()
    }
    #expect(error?.reason == .violation(.chunkType(1)))
    #expect(error?.isOutcomeUnknown == true)
    #expect(!transmission.isOpen)
    // Nothing is read past the header that shows it, and nothing is said any more.
    #expect(stream.unread.count == 24)
    transmission.disconnect()
    #expect(stream.sent.count == 28 + 512)
  }
}
