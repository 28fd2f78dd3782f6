// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Finds what a mistyped word was meant to be.
package enum Likeness {
  /// Returns the word that is closest to `text`; nil if none is close.
  ///
  /// Close means: the same except for upper and lower case, one typing error in a short word or two
  /// in a longer one, or the beginning of one word only.
  package static func closest(to text: String, among words: [String]) -> String? {
    // No word of ours is longer; the work grows with the square.
    guard 1...64 ~= text.utf8.count else { return nil }
    let typed = letters(text)
    let most = typed.count <= 3 ? 1 : 2
    let ranked = words.map { (word: $0, slips: slips(typed, letters($0))) }
    if let best = ranked.min(by: { $0.slips < $1.slips }), best.slips <= most,
      best.slips < typed.count
    {
      return best.word
    }
    let longer = words.filter { letters($0).starts(with: typed) }
    return typed.count >= 3 && longer.count == 1 ? longer[0] : nil
  }

  private static func letters(_ text: String) -> [UInt8] { Array(text.lowercased().utf8) }

  /// Returns how many letters must be inserted, deleted, replaced or swapped with the next one.
  private static func slips(_ from: [UInt8], _ to: [UInt8]) -> Int {
    var rows = [Array(0...to.count)]
    for (i, letter) in from.enumerated() {
      var row = [i + 1]
      for (j, other) in to.enumerated() {
        var least = min(row[j] + 1, rows[i][j + 1] + 1, rows[i][j] + (letter == other ? 0 : 1))
        if i > 0, j > 0, letter == to[j - 1], from[i - 1] == other {
          least = min(least, rows[i - 1][j - 1] + 1)
        }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[from.count][to.count]
  }
}
