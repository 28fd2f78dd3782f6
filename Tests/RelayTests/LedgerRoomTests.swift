// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import NBD
@testable internal import Relay
internal import Testing

/// The room that the ledger has in the Record, which is used again and again.
struct LedgerRoomTests {
  private func entry(_ offset: UInt64) -> Ledger.Entry {
    Ledger.Entry(command: .trim, flags: [], offset: offset, length: 512)
  }

  @Test("says when there is none, and new entries do not take the place of old ones")
  func wrap() throws {
    let record = try Record(named: "test", socketCount: 1, unflushedLimit: 1 << 20)
    var ledger = Ledger(record)
    var pages = Pages(byteCount: 1 << 20)
    let capacity = UInt64(ledger.capacity)
    for number in 0..<capacity {
      #expect(ledger.hasRoom(for: 1))
      ledger.append(entry(number), of: number)
    }
    #expect(!ledger.hasRoom(for: 1))
    ledger.cover(upTo: ledger.first + 10, &pages)
    #expect(ledger.hasRoom(for: 10) && !ledger.hasRoom(for: 11))
    for number in capacity..<(capacity + 10) { ledger.append(entry(number), of: number) }
    #expect(!ledger.hasRoom(for: 1))
    // Every entry is as it was written, also for a successor.
    let other = Ledger(try Record(opening: record.file.descriptor))
    #expect(other.count == Int(capacity))
    for number in other.first..<other.next {
      #expect(other[number].offset == ledger[number].offset)
      #expect(other[number].offset == number - ledger.first + 10)
    }
  }
}
