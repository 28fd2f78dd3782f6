// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Varlink

/// The input is a text in JSON or JSON5.
func check(_ input: [UInt8]) {
  let strict = try? JSON(parsing: input, dialect: .strict)
  let json5 = try? JSON(parsing: input, dialect: .json5)
  precondition(strict == nil || strict == json5, "JSON that means something else in JSON5")
  guard let value = json5 else { return }
  for text in [value.text, value.indentedText] {
    let again = try? JSON(parsing: Array(text.utf8), dialect: .strict)
    precondition(again == value, "written as another value")
  }
}
