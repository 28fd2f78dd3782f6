// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import TestSupport
import Varlink

/// Texts that are large, hostile, or nonsense.
struct JSONRobustnessTests {
  @Test(.timeLimit(.minutes(1)), arguments: largeTexts)
  func `reads a megabyte in time`(text: LargeText) throws {
    let value = try JSON(parsing: text.bytes, dialect: .json5)
    #expect(value["uri"] == nil)
    #expect(value == value)
    #expect(try JSON(parsing: Array(value.text.utf8), dialect: .strict) == value)
  }

  struct LargeText: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]

    init(_ description: String, _ begin: String, _ unit: String, _ end: String) {
      testDescription = description
      let count = (1 << 20) / unit.utf8.count
      bytes = Array((begin + String(repeating: unit, count: count) + end).utf8)
    }
  }

  static let largeTexts = [
    LargeText("a string", "\"", "a", "\""),
    LargeText("a string of escapes", "\"", "\\u00e9", "\""),
    LargeText("an array of integers", "[", "1,", "]"),
    LargeText("an array of arrays", "[", "[],", "]"),
    LargeText("a number", "1.", "7", ""),
    LargeText("blanks", "1", "\n", ""),
    LargeText("comments", "1", "/**/", ""),
    // Swift's own comparison of strings would need minutes for this one.
    LargeText("a name of combining marks", "{\"", "\u{301}\u{316}", "\":1}"),
  ]

  @Test
  func `tells many names apart in time`() throws {
    let members = (0..<50_000).map { "n\($0):\($0)" }
    let text = Array("{\(members.joined(separator: ","))}".utf8)
    #expect(try JSON(parsing: text, dialect: .json5).members?.count == 50_000)
  }

  @Test(arguments: ["[", "{\"a\":", "[{\"a\":"])
  func `refuses a bomb of brackets`(unit: String) {
    let bomb = Array(String(repeating: unit, count: 300_000).utf8)
    #expect(throws: JSONError.self) { try JSON(parsing: bomb, dialect: .strict) }
    #expect(throws: JSONError.self) { try JSON(parsing: bomb, dialect: .json5) }
  }

  @Test(arguments: 0..<8 as Range<UInt64>)
  func `survives nonsense, and reads what it wrote`(seed: UInt64) throws {
    var generator = SplitMix(seed: seed)
    var takenCount = 0
    for _ in 0..<2_000 {
      let text = generator.nonsense(of: Self.fragments)
      guard let value = try? JSON(parsing: text, dialect: .json5) else {
        // JSON5 has all of JSON.
        #expect(throws: JSONError.self) { try JSON(parsing: text, dialect: .strict) }
        continue
      }
      takenCount += 1
      #expect(try JSON(parsing: Array(value.text.utf8), dialect: .strict) == value)
      #expect(try JSON(parsing: Array(value.indentedText.utf8), dialect: .strict) == value)
      if let strict = try? JSON(parsing: text, dialect: .strict) { #expect(strict == value) }
    }
    #expect(takenCount > 20)
  }

  static let fragments = [
    "{", "}", "[", "]", ",", ":", "\"a\"", "'b'", "c", "\"", "\\", "\\u", "d83d", "\\ude00", "0",
    "1", "-", "+", ".", "e", "0x", "9223372036854775807", "null", "true", "NaN", "//", "/*", "*/",
    "\n", "\r", " ", "\u{2028}", "\u{FEFF}", "é", "[1,2]", "{\"a\":1}", "{b:[]}", "[[]]",
  ]
}
