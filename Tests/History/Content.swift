// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

/// What blocks contain: a word, over and over, that says of which block and of which change it is.
enum Content {
  static let blockBytes = 512
  /// What zeroes, a trim, and nothing at all leave.
  static let zero: UInt64 = 0
  private static let wordsPerBlock = blockBytes / 8

  /// The word of a block's write that is change number `change` of that block.
  static func word(_ block: Int, _ change: Int) -> UInt64 {
    0xb10c << 48 | UInt64(block) << 32 | UInt64(change)
  }

  static func append(_ word: UInt64, to bytes: inout [UInt8]) {
    var swapped = word.bigEndian
    unsafe withUnsafeBytes(of: &swapped) { word in
      for _ in 0..<wordsPerBlock { unsafe bytes.append(contentsOf: word) }
    }
  }

  /// The word that a block is full of; nil if it contains anything else.
  static func word(in bytes: Span<UInt8>, at place: Int) -> UInt64? {
    let word: UInt64 = bytes.number(at: place)
    for index in 1..<wordsPerBlock where bytes.number(at: place + 8 * index) != word { return nil }
    return word
  }

  static func name(_ word: UInt64) -> String {
    if word == zero { return "zeroes" }
    return word >> 48 == 0xb10c
      ? "change \(word & 0xffff_ffff) of block \(word >> 32 & 0xffff)"
      : "nonsense (0x\(String(word, radix: 16)))"
  }
}

/// A promise of the relay that does not hold.
struct Violation: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
