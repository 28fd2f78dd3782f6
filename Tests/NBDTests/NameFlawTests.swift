// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// Text that is to be the name of an export.
struct NameFlawTests {
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
