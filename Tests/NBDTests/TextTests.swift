// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Text that came from elsewhere.
struct TextTests {
  // Rows: N-038, N-172, N-183
  @Test(arguments: [
    ("6469736b", "disk"),
    ("6164 c3a9 e282ac f09f92be", "adé€💾"),
    ("61 00 62", "a\\u{0}b"),
    ("61 0a 62", "a\\nb"),
    ("0d 09 1b 5b 33 31 6d 7f", "\\u{d}\\u{9}\\u{1b}[31m\\u{7f}"),
    ("c2 9b 33 31 6d", "\\u{9b}31m"),
    ("61 e280ae 62 e281a6 d89c", "a\\u{202e}b\\u{2066}\\u{61c}"),
    ("e280a8 e280a9 efbbbf", "\\u{2028}\\u{2029}\\u{feff}"),
    ("ff fe c0af 80", "\\u{ff}\\u{fe}\\u{c0}\\u{af}\\u{80}"),
    ("61 e282", "a\\u{e2}\\u{82}"),
    ("61 e282 62", "a\\u{e2}\\u{82}b"),
    ("eda080", "\\u{ed}\\u{a0}\\u{80}"),
    ("", ""),
  ])
  func `is shown harmlessly`(bytes: String, text: String) {
    #expect(shown(hex(bytes)) == text)
  }

  // Rows: N-038, N-183
  @Test func `is cut between characters`() {
    #expect(shown("aéb", limit: 4) == "aéb")
    #expect(shown("aéb", limit: 3) == "aé…")
    #expect(shown("aéb", limit: 2) == "a…")
    let long = String(repeating: "x", count: 4096)
    #expect(shown(long) == long)
    #expect(shown(long + "y") == long + "…")
    #expect(shown([UInt8](repeating: 0xff, count: 5000)).count == 4096 * 6 + 1)
  }

  // Rows: N-113, N-183, U-010
  @Test(arguments: [
    ("", nil), ("6469736b", nil), ("c3a9 0a", nil), ("6100", NameFlaw.holdsNUL),
    ("c3", .notUTF8), ("eda080", .notUTF8),
    (String(repeating: "61", count: 4096), nil),
    (String(repeating: "61", count: 4097), .tooLong(4097)),
  ])
  func `is a name or is not`(bytes: String, flaw: NameFlaw?) {
    #expect(NameFlaw(in: hex(bytes)) == flaw)
  }
}
