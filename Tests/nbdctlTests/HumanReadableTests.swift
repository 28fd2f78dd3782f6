// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing

@testable import nbdctl

/// Numbers as people like to read them.
struct HumanReadableTests {
  @Test(
    arguments: [
      (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 << 20, "64 MiB"),
      (1_610_612_736, "1.5 GiB"), (1 << 40, "1 TiB"), (.max, "8 EiB"),
    ] as [(Int64, String)])
  func `sizes have the largest unit that leaves a number above 1`(bytes: Int64, text: String) {
    #expect(HumanReadable.size(bytes) == text)
  }

  @Test(
    arguments: [
      (0, "0 ms ago", "now"), (250_000, "250 ms ago", "in 250 ms"),
      (119_000_000, "119 s ago", "in 119 s"), (120_000_000, "2 min ago", "in 2 min"),
      (7_200_000_000, "2 h ago", "in 2 h"), (172_800_000_000, "2 days ago", "in 2 days"),
    ] as [(Int64, String, String)])
  func `moments are told by their distance`(distance: Int64, past: String, future: String) {
    let now: Int64 = 1_800_000_000_000_000
    #expect(HumanReadable.ago(now - distance, now: now) == past)
    #expect(HumanReadable.ahead(now + distance, now: now) == future)
    #expect(HumanReadable.ahead(now - distance, now: now) == "now")
    #expect(HumanReadable.ago(now + distance, now: now) == "0 ms ago")
  }

  @Test func `moments in a log have thousandths`() {
    let text = HumanReadable.moment(1_800_000_000_250_999)
    #expect(text.wholeMatch(of: /2027-01-1[456] \d\d:\d\d:\d\d\.250/) != nil, "\(text)")
  }

  @Test func `cells are filled up, cut and trimmed`() {
    #expect("abc".padded(to: 5) == "abc  ")
    #expect("abc".padded(to: 2) == "abc")
    #expect("0123456789abc".cut(to: 12) == "0123456789a…")
    #expect("0123456789abc".cut(to: 3) == "012345678…")
    #expect("abc".cut(to: 3) == "abc")
    #expect("a b  ".trimmedRight == "a b")
  }
}
