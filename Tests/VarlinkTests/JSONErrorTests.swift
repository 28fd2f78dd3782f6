// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Testing
import Varlink

/// What the reader says of texts that it refuses, and where.
struct JSONErrorTests {
  @Test(arguments: strictFaults)
  func `refuses what strict JSON is not`(text: String, fault: String) {
    #expect(fault == self.fault(in: text, dialect: .strict))
  }

  static let strictFaults: [(String, String)] = [
    ("", "1:1: the text is empty; expected a value"),
    (" \n\n ", "3:2: the text is empty; expected a value"),
    ("\u{FEFF}1", "1:1: expected a value, found a byte order mark"),
    ("1 2", "1:3: expected the end of the text, found '2'"),
    ("{}\n}", "2:1: expected the end of the text, found '}'"),
    ("nul", "1:1: expected a value, found 'nul'"),
    ("nullx", "1:1: expected a value, found 'nullx'"),
    ("True", "1:1: expected a value, found 'True'"),
    ("NaN", "1:1: expected a value, found 'NaN'"),
    ("/**/1", "1:1: expected a value, found '/'"),
    ("'a'", "1:1: expected a value, found \"'\""),
    ("+1", "1:1: expected a value, found '+'"),
    (".5", "1:1: expected a value, found '.'"),
    ("5.", "1:3: expected a digit, found the end of the text"),
    ("-", "1:2: expected a digit, found the end of the text"),
    ("-a", "1:2: expected a digit, found 'a'"),
    ("1e", "1:3: expected a digit, found the end of the text"),
    ("1e+x", "1:4: expected a digit, found 'x'"),
    ("01", "1:1: a number must not begin with 0"),
    ("-012", "1:1: a number must not begin with 0"),
    ("0x10", "1:2: expected the end of the text, found 'x'"),
    ("9223372036854775808", "1:1: the integer does not fit into 64 bits"),
    ("[-9223372036854775809]", "1:2: the integer does not fit into 64 bits"),
    ("1e400", "1:1: the number is too large"),
    ("-1e400", "1:1: the number is too large"),
    ("\"a", "1:3: expected \" to end the string, found the end of the text"),
    ("\"a\nb\"", "1:3: expected \" to end the string, found a line break"),
    ("\"a\tb\"", "1:3: a control character in a string must be escaped; found a tab"),
    ("\"\u{1}\"", #"1:2: a control character in a string must be escaped; found '\u{1}'"#),
    (#""\x41""#, #"1:3: expected one of " \ / b f n r t u after the backslash, found 'x'"#),
    (#""\'""#, #"1:3: expected one of " \ / b f n r t u after the backslash, found "'""#),
    (#""\"#, "1:3: expected a character to escape, found the end of the text"),
    (#""\u12g4""#, "1:6: expected a hexadecimal digit, found 'g'"),
    (#""\u123"#, "1:7: expected a hexadecimal digit, found the end of the text"),
    ("\"\\u\u{FF11}234\"", "1:4: expected a hexadecimal digit, found '\u{FF11}'"),
    (#""a\ud800""#, "1:3: half of a surrogate pair stands here alone"),
    (#""\ud800\n""#, "1:2: half of a surrogate pair stands here alone"),
    (#""\ud800\u0041""#, "1:2: half of a surrogate pair stands here alone"),
    (#""\ud800\ud800""#, "1:2: half of a surrogate pair stands here alone"),
    (#""\udc00""#, "1:2: half of a surrogate pair stands here alone"),
    (#""\udc00\udc00""#, "1:2: half of a surrogate pair stands here alone"),
    ("[", "1:2: expected a value, found the end of the text"),
    ("[1", "1:3: expected ',' or ']', found the end of the text"),
    ("[1 2]", "1:4: expected ',' or ']', found '2'"),
    ("[1,]", "1:4: expected a value, found ']'"),
    ("[,1]", "1:2: expected a value, found ','"),
    ("[1}", "1:3: expected ',' or ']', found '}'"),
    ("{", "1:2: expected a name in double quotes, found the end of the text"),
    ("{a:1}", "1:2: expected a name in double quotes, found 'a'"),
    ("{1:1}", "1:2: expected a name in double quotes, found '1'"),
    (#"{"a" 1}"#, "1:6: expected ':' after the name 'a', found '1'"),
    (#"{"a":}"#, "1:6: expected a value, found '}'"),
    (#"{"a":1 "b":2}"#, #"1:8: expected ',' or '}', found '"'"#),
    (#"{"a":1,}"#, "1:8: expected a name in double quotes, found '}'"),
    (
      "{\"a\":{\n\"u\":1,\n\"v\":2,\n\"u\":3}}",
      "4:1: 'u' stands here a second time; it was first given in line 2"
    ),
    (#"{"a":1,"\u0061":2}"#, "1:8: 'a' stands here a second time; it was first given in line 1"),
    (
      String(repeating: "[", count: 65),
      "1:65: arrays and objects are nested more than 64 deep here"
    ),
    (
      "{\"a\u{202E}b\": 1, \"a\u{202E}b\": 2}",
      #"1:12: 'a\u{202e}b' stands here a second time; it was first given in line 1"#
    ),
    ("\u{1B}[0m", #"1:1: expected a value, found '\u{1b}'"#),
  ]

  @Test(arguments: json5Faults)
  func `refuses what JSON5 is not, and what is too odd`(text: String, fault: String) {
    #expect(fault == self.fault(in: text, dialect: .json5))
  }

  static let json5Faults: [(String, String)] = [
    ("\u{FEFF}", "1:1: the text is empty; expected a value"),
    ("// nothing", "1:11: the text is empty; expected a value"),
    (
      "1 /* a\n*",
      "2:2: expected '*/' to end the comment that begins in line 1, "
        + "found the end of the text"
    ),
    (
      "/*/",
      "1:4: expected '*/' to end the comment that begins in line 1, "
        + "found the end of the text"
    ),
    ("1 /", "1:4: expected '/' or '*' to begin a comment, found the end of the text"),
    ("# 1", "1:1: expected a value, found '#'"),
    ("NaN", "1:1: expected a value, found 'NaN'"),
    ("Infinity", "1:1: expected a value, found 'Infinity'"),
    ("-Infinity", "1:2: expected a digit, found 'I'"),
    ("+-1", "1:2: expected a digit, found '-'"),
    (".", "1:2: expected a digit, found the end of the text"),
    (".e1", "1:2: expected a digit, found 'e'"),
    ("010", "1:1: a number must not begin with 0"),
    ("0x", "1:3: expected a hexadecimal digit, found the end of the text"),
    ("0x8000000000000000", "1:1: the integer does not fit into 64 bits"),
    ("0x1.5", "1:4: expected the end of the text, found '.'"),
    ("[,]", "1:2: expected a value, found ','"),
    ("[1,,]", "1:4: expected a value, found ','"),
    ("{,}", "1:2: expected a name, found ','"),
    ("{1a:1}", "1:2: expected a name, found '1'"),
    ("{a-b:1}", "1:3: expected ':' after the name 'a', found '-'"),
    (#"{a\x62:1}"#, "1:4: expected 'u' to escape a character of a name, found 'x'"),
    (#"{a\u0020:1}"#, "1:3: this character must not stand in a name without quotes"),
    (#"{\u0031:1}"#, "1:2: this character must not stand in a name without quotes"),
    ("{a:1,\n 'a':2}", "2:2: 'a' stands here a second time; it was first given in line 1"),
    (#"'a""#, "1:4: expected ' to end the string, found the end of the text"),
    ("'a\nb'", "1:3: expected ' to end the string, found a line break"),
    (#"'\1'"#, "1:3: expected a character to escape, found '1'"),
    (#"'\01'"#, #"1:4: expected no digit after \0, found '1'"#),
    (#"'\xg0'"#, "1:4: expected a hexadecimal digit, found 'g'"),
  ]

  @Test(arguments: brokenTexts)
  func `refuses bytes that are not UTF-8`(text: [UInt8], fault: String) {
    for dialect in [JSON.Dialect.strict, .json5] {
      #expect(self.fault(in: text, dialect: dialect).hasPrefix(fault + ": expected "))
      #expect(
        self.fault(in: text, dialect: dialect).hasSuffix(", found bytes that are not UTF-8"))
    }
  }

  static let brokenTexts: [([UInt8], String)] = [
    ([0xFF], "1:1"),
    ([0x31, 0x0A, 0x80], "2:1"),
    (Array("\"é".utf8) + [0xC0, 0x80, 0x22], "1:3"),
    (Array("\"".utf8) + [0xED, 0xA0, 0x80, 0x22], "1:2"),
    (Array("\"".utf8) + [0xF4, 0x90, 0x80, 0x80, 0x22], "1:2"),
    (Array("\"".utf8) + [0xE2, 0x82], "1:2"),
    (Array("[\n\"ab".utf8) + [0xC3, 0x22, 0x5D], "2:4"),
    (Array("{\"a\":1,".utf8) + [0xFE], "1:8"),
    (Array("1 ".utf8) + [0xFF], "1:3"),
  ]

  @Test
  func `refuses a comment that is not UTF-8`() {
    #expect(
      throws: JSONError(
        place: JSON.Place(line: 1, column: 5),
        message: "expected the end of the text, found bytes that are not UTF-8")
    ) {
      try JSON(parsing: Array("1 //".utf8) + [0xFF, 0x0A], dialect: .json5)
    }
  }

  @Test
  func `shortens long names in messages and shows no control characters`() {
    let name = "\u{7}" + String(repeating: "x", count: 1000)
    let shown = "'\\u{7}" + String(repeating: "x", count: 63) + "…'"
    #expect(
      fault(in: "{'\(name)' 1}", dialect: .json5)
        == "1:1006: expected ':' after the name \(shown), found '1'")
  }

  private func fault(in text: String, dialect: JSON.Dialect) -> String {
    fault(in: Array(text.utf8), dialect: dialect)
  }

  private func fault(in text: [UInt8], dialect: JSON.Dialect) -> String {
    do {
      return "taken as \(try JSON(parsing: text, dialect: dialect).text)"
    } catch {
      return "\(error.place.line):\(error.place.column): \(error.message)"
    }
  }
}
