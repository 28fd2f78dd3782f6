// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Testing

/// Durations and sizes as users write and read them.
struct QuantitiesTests {
  @Test(arguments: [
    ("0ms", Duration.zero), ("250ms", .milliseconds(250)), ("30s", .seconds(30)),
    ("05s", .seconds(5)), ("5min", .seconds(300)), ("2h", .seconds(7200)),
    ("876000h", .seconds(876_000 * 3600)),
  ])
  func `reads a duration with its unit`(text: String, duration: Duration) {
    #expect(Quantities.duration(text) == duration)
  }

  @Test(arguments: [
    "", "30", "s", "ms", "1.5s", "-1s", "+1s", " 1s", "1 s", "1s ", "1S", "1sec", "1m", "1d", "1us",
    "1s1s", "0x10s", "\u{661}s", "1\u{301}s", "99999999999999999999s", "9223372036854775807h",
    "876001h", "3153600000001ms", "1s\0",
  ])
  func `takes nothing else for a duration`(text: String) {
    #expect(Quantities.duration(text) == nil)
  }

  @Test(arguments: [
    ("0B", 0), ("512B", 512), ("64KiB", 65536), ("1MiB", 1 << 20), ("2GiB", 2 << 30),
    ("8589934591GiB", 8_589_934_591 << 30),
  ])
  func `reads a size with its unit`(text: String, bytes: Int) {
    #expect(Quantities.size(text) == bytes)
  }

  @Test(arguments: [
    "", "512", "B", "64K", "64KB", "64kiB", "1.5MiB", "-1B", "1 MiB", "1TiB", "8589934592GiB",
    "99999999999999999999B", "\u{661}B",
  ])
  func `takes nothing else for a size`(text: String) {
    #expect(Quantities.size(text) == nil)
  }

  @Test(arguments: [
    (Duration.zero, "0 ms"), (.milliseconds(80), "80 ms"), (.microseconds(999_900), "999 ms"),
    (.seconds(1), "1 s"), (.milliseconds(1499), "1 s"), (.milliseconds(1500), "2 s"),
    (.seconds(8), "8 s"), (.milliseconds(99_999), "100 s"), (.seconds(100), "2 min"),
    (.seconds(180), "3 min"), (.seconds(5999), "100 min"), (.seconds(6000), "2 h"),
    (.seconds(7200), "2 h"), (.seconds(100 * 3600), "100 h"), (.seconds(-5), "0 ms"),
  ])
  func `says a duration as people do`(duration: Duration, words: String) {
    #expect(Quantities.words(duration) == words)
  }

  @Test(arguments: [
    "0ms", "300ms", "1500ms", "1s", "8s", "90s", "100ms", "2min", "150s", "60min", "2h", "24h",
    "8760h",
    "876000h",
  ])
  func `says a limit as it was given`(text: String) {
    let digits = text.prefix(while: \.isNumber)
    let words = "\(digits) \(text.dropFirst(digits.count))"
    #expect(Quantities.duration(text).map(Quantities.exactly) == words)
  }

  @Test func `says even the longest duration that can be written`() {
    let longest = Quantities.duration("876000h")
    #expect(longest.map(Quantities.words) == "876000 h")
  }
}
