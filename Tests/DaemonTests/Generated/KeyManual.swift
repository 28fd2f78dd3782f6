// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable import Daemon

/// The lists of keys in man/nbdd.8, in mdoc(7).
nonisolated enum KeyManual {
  /// Items for the keys; those that `defaults` can have are marked.
  static func list(_ keys: [ConfigurationKey<some Configurable>]) -> String {
    let shared = Set(DeviceConfiguration.Settings.keys.map(\.name))
    return keys.flatMap(\.description.flattened).map { key in
      let mark = shared.contains(key.name) ? " No *" : ""
      let words = key.text + key.limits
      return (".It Li \(key.name)\(mark)\n" + text(words)) + "\n"
    }.joined()
  }

  /// The keys that a reload may change.
  static var changeable: String {
    let lines = changeableKeys.dropLast().joined(separator: " , ").wrapped(112).split(
      separator: "\n")
    return lines.map { ".Li \($0)" }.joined(separator: "\n")
      + "\nand\n.Li \(changeableKeys.last ?? "") ."
  }

  /// Words with literals in backquotes as mdoc: a macro or a piece of text on each line, and each
  /// sentence on a new one.
  private static func text(_ text: String) -> String {
    var lines: [String] = []
    var words: [Substring] = []
    func flush() {
      if !words.isEmpty { lines.append(words.joined(separator: " ").wrapped(118)) }
      words = []
    }
    for word in text.split(separator: " ") {
      if let macro = macro(for: word) {
        flush()
        lines.append(macro)
      } else {
        words.append(word)
        if word.hasSuffix(".") { flush() }
      }
    }
    flush()
    return lines.joined(separator: "\n")
  }

  private static func macro(for word: Substring) -> String? {
    let open = word.hasPrefix("(") ? "( " : ""
    let core = word.drop { $0 == "(" }
    let body = core.prefix { !",.;:".contains($0) }
    let close = core.dropFirst(body.count).map { " \($0)" }.joined()
    if word.contains("`") {
      let parts = core.split(separator: "`", omittingEmptySubsequences: false)
      // A punctuation mark that is meant as a literal.
      let literal = parts[1].count == 1 ? "\\&\(parts[1])" : String(parts[1])
      return ".Li \(open)\(literal)\(parts[2].map { " \($0)" }.joined())"
    }
    if body == "nbdd" { return ".Nm\(close.isEmpty ? "" : close)" }
    let page = body.split(separator: "(")
    if page.count == 2, page[1] == "8)" { return ".Xr \(page[0]) 8\(close)" }
    return nil
  }
}
