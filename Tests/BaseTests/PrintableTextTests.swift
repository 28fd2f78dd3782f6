// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Testing

/// Text that came from elsewhere.
struct PrintableTextTests {
  // Rows: N-038, N-172, N-183
  @Test(
    arguments: [
      ([0x64, 0x69, 0x73, 0x6b], "disk"),
      (Array("adé€💾".utf8), "adé€💾"),
      ([0x61, 0x00, 0x62], "a\\u{0}b"),
      ([0x61, 0x0a, 0x62], "a\\nb"),
      (Array("\r\n".utf8), "\\u{d}\\n"),
      (Array("\rMAINPID=1\r".utf8), "\\u{d}MAINPID=1\\u{d}"),
      (Array("\r\t\u{1b}[31m\u{7f}".utf8), "\\u{d}\\u{9}\\u{1b}[31m\\u{7f}"),
      (Array("\u{85}\u{9b}31m".utf8), "\\u{85}\\u{9b}31m"),
      (Array("a\u{202e}b\u{2066}\u{61c}\u{200f}".utf8), "a\\u{202e}b\\u{2066}\\u{61c}\\u{200f}"),
      (Array("\u{2028}\u{2029}\u{feff}\u{200b}".utf8), "\\u{2028}\\u{2029}\\u{feff}\\u{200b}"),
      (Array("\u{34f}\u{3164}\u{fe0f}\u{e0041}".utf8), "\\u{34f}\\u{3164}\\u{fe0f}\\u{e0041}"),
      (Array("\u{e000}\u{378}\u{ffff}".utf8), "\\u{e000}\\u{378}\\u{ffff}"),
      ([0xff, 0xfe, 0xc0, 0xaf, 0x80], "\\u{ff}\\u{fe}\\u{c0}\\u{af}\\u{80}"),
      ([0x61, 0xe2, 0x82], "a\\u{e2}\\u{82}"),
      ([0x61, 0xe2, 0x82, 0x62], "a\\u{e2}\\u{82}b"),
      ([0xed, 0xa0, 0x80], "\\u{ed}\\u{a0}\\u{80}"),
      ([], ""),
    ] as [([UInt8], String)])
  func `is shown harmlessly`(bytes: [UInt8], text: String) {
    #expect(shown(bytes) == text)
    // What is escaped already stays as it is.
    #expect(shown(text) == text)
  }

  @Test func `keeps its lines where it may have some`() {
    #expect(shownLines("a\nb\r\n\u{1b}c\n") == "a\nb\\u{d}\n\\u{1b}c\n")
    #expect(shownLines("") == "")
  }

  // Rows: N-038, N-183
  @Test func `is cut between characters`() {
    #expect(shown("aéb", limit: 4) == "aéb")
    #expect(shown("aéb", limit: 3) == "aé…")
    #expect(shown("aéb", limit: 2) == "a…")
    #expect(shown("abc", limit: 2) == "ab…")
    let long = String(repeating: "x", count: 4096)
    #expect(shown(long) == long)
    #expect(shown(long + "y") == long + "…")
    #expect(shown([UInt8](repeating: 0xff, count: 5000)).count == 4096 * 6 + 1)
  }
}
