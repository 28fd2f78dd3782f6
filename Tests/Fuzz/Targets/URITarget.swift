// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD

/// The input is a URI.
func check(_ input: [UInt8]) {
  let text = String(decoding: input, as: UTF8.self)
  _ = try? URI(parsing: text)
  let everything = URI.Permissions.usual.union(.localFiles)
  do {
    let uri = try URI(parsing: text, allowing: everything)
    let again = try? URI(parsing: uri.description, allowing: everything)
    precondition(again == uri, "printed as another one")
  } catch {
    precondition(0...text.count ~= error.position, "a fault outside the text")
  }
}
