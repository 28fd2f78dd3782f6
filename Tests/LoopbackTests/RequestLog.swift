// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// What nbdkit's log filter has written about the requests that came, in order.
struct RequestLog {
  struct Entry {
    /// "Read", "Write", and so on.
    var name: String
    var offset: UInt64
    var count: UInt64
    /// How many were in flight then, with this one.
    var inFlight: Int
  }

  private(set) var entries: [Entry] = []

  init(_ file: String) {
    var inFlight = 0
    for line in (File.contents(of: file) ?? "").split(separator: "\n") {
      // Date, time, connection, and then "Read id=1 offset=0x0 count=0x200 ...", or at the end of it
      // "...Read id=1 return=0".
      let words = line.split(separator: " ").dropFirst(3)
      guard let name = words.first, words.dropFirst().first?.hasPrefix("id=") == true else {
        continue
      }
      if name.hasPrefix("...") {
        inFlight -= 1
      } else if let offset = Self.value("offset", words), let count = Self.value("count", words) {
        inFlight += 1
        entries.append(
          Entry(name: String(name), offset: offset, count: count, inFlight: inFlight))
      }
    }
  }

  private static func value(_ name: String, _ words: ArraySlice<Substring>) -> UInt64? {
    words.first { $0.hasPrefix("\(name)=0x") }
      .flatMap { UInt64($0.dropFirst(name.count + 3), radix: 16) }
  }
}
