// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A URI split at its delimiters; positions in the slices are those in the text.
struct URIParts {
  let scheme: ArraySlice<Character>
  /// The part before "@", if there is one.
  let user: ArraySlice<Character>?
  let host: ArraySlice<Character>
  /// The part after the host's ":", if there is one.
  let port: ArraySlice<Character>?
  /// With its leading slash, or empty.
  let path: ArraySlice<Character>
  /// Without its "?", or empty.
  let query: ArraySlice<Character>
  /// The length of the text.
  let end: Int

  /// Splits a text that has no fragment (U-021) and no password (U-006).
  init(_ text: String) throws(URIError) {
    let characters = Array(text)
    end = characters.count
    if let hash = characters.firstIndex(of: "#") {
      throw URIError(position: hash, message: "a fragment is not part of an NBD URI")
    }
    let colon = characters.firstIndex(of: ":") ?? end
    guard characters[colon...].starts(with: "://") else {
      throw URIError(
        position: colon, message: "'://' is expected after the scheme",
        suggestion: URI(otherForm: text)?.description)
    }
    scheme = characters[..<colon]

    let afterScheme = characters[(colon + 3)...]
    let question = afterScheme.firstIndex(of: "?") ?? end
    query = characters[question...].dropFirst()
    let slash = afterScheme[..<question].firstIndex(of: "/") ?? question
    path = characters[slash..<question]
    let authority = characters[(colon + 3)..<slash]

    let at = authority.lastIndex(of: "@")
    user = at.map { authority[..<$0] }
    if let colon = user?.firstIndex(of: ":") {
      throw URIError(position: colon, message: "a password cannot stand in an NBD URI")
    }
    let address = at.map { authority[($0 + 1)...] } ?? authority
    if !address.contains("["), address.count(where: { $0 == ":" }) > 1 {
      throw URIError(
        position: address.startIndex,
        message: "an IPv6 address stands in brackets, as in nbd://[2001:db8::1]:10809/")
    }
    let bracket = address.lastIndex(of: "]") ?? address.startIndex
    let portColon = address[bracket...].firstIndex(of: ":")
    host = address[..<(portColon ?? address.endIndex)]
    port = portColon.map { address[($0 + 1)...] }
  }
}
