// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base

/// The input is what somebody else calls himself.
func check(_ input: [UInt8]) {
  let text = shown(input)
  precondition(text.unicodeScalars.allSatisfy(isHarmless), "what no line may have")
  precondition(text.utf8.count <= input.count * 10, "text that grows without bound")
  precondition(input.count * 10 > 4096 || shown(text) == text, "escaped a second time")
  if let valid = String(validating: input, as: UTF8.self) {
    precondition(shown(valid) == text, "text and bytes that show differently")
  }
  let cut = shown(input, limit: 16)
  precondition(cut == text || cut.unicodeScalars.last == "…", "cut without a sign")
  let lines = shownLines(String(decoding: input, as: UTF8.self))
  precondition(
    lines.unicodeScalars.allSatisfy { $0 == "\n" || isHarmless($0) }, "what no line may have")
  precondition(
    lines.utf8.count { $0 == 10 } == input.count { $0 == 10 }, "another number of lines")
}

/// By number, and so by other means than those that are checked.
private func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0..<0x20, 0x7f...0x9f, 0xad, 0x61c, 0x180e, 0x200b...0x200f, 0x2028...0x202e,
    0x2060...0x206f,
    0xe000...0xf8ff, 0xfe00...0xfe0f, 0xfeff, 0xfff0...0xfffb, 0xfffe...0xffff, 0xe0000...0xe0fff,
    0xf0000...0x10ffff:
    false
  default: true
  }
}
