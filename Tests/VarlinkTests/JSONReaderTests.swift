// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import Varlink

/// What the reader makes of texts that it takes.
struct JSONReaderTests {
  @Test(arguments: strictTexts)
  func `reads strict JSON in both dialects`(text: String, value: JSON) throws {
    #expect(try JSON(parsing: Array(text.utf8), dialect: .strict) == value)
    #expect(try JSON(parsing: Array(text.utf8), dialect: .json5) == value)
  }

  static let strictTexts: [(String, JSON)] = [
    ("null", .null),
    ("true", true),
    (" \t\r\nfalse\n", false),
    ("0", 0),
    ("-0", 0),
    ("-12", -12),
    ("9223372036854775807", JSON(Int64.max)),
    ("-9223372036854775808", JSON(Int64.min)),
    ("9007199254740993", 9_007_199_254_740_993),
    ("1.0", 1.0),
    ("1e2", 100.0),
    ("1E+2", 100.0),
    ("-25e-1", -2.5),
    ("9223372036854775808.0", 9_223_372_036_854_775_808.0),
    ("1e-400", 0.0),
    ("5e-324", JSON(.real(.leastNonzeroMagnitude))),
    ("\"\"", ""),
    (#""a\"\\\/\b\f\n\r\t""#, "a\"\\/\u{8}\u{C}\n\r\t"),
    (#""\u0041\u00e9\u20AC\u0000""#, "Aé€\0"),
    (#""\ud83d\uDE00""#, "😀"),
    ("\"é€😀\u{7F}\u{2028}\"", "é€😀\u{7F}\u{2028}"),
    ("[]", []),
    ("[ ]", []),
    ("[1,\"a\",null]", [1, "a", .null]),
    ("[[],[[]]]", [[], [[]]]),
    ("{}", [:]),
    (" { \"a\" : 1 , \"b\" : { } } ", ["a": 1, "b": [:]]),
    (#"{"":1}"#, ["": 1]),
    // The first is one scalar, the second two: not the same name, though they look alike.
    ("{\"\u{E9}\":1,\"e\u{301}\":2}", ["\u{E9}": 1, "e\u{301}": 2]),
  ]

  @Test(arguments: json5Texts)
  func `reads JSON5, which strict JSON is not`(text: String, value: JSON) throws {
    #expect(try JSON(parsing: Array(text.utf8), dialect: .json5) == value)
    #expect(throws: JSONError.self) { try JSON(parsing: Array(text.utf8), dialect: .strict) }
  }

  static let json5Texts: [(String, JSON)] = [
    ("\u{FEFF}1", 1),
    ("// one\n1 // two", 1),
    ("/* one\n**/1/***/", 1),
    ("//\u{2028}1", 1),
    ("\u{B}\u{C}\u{A0}\u{2003}1\u{2029}", 1),
    ("+1", 1),
    (".5", 0.5),
    ("-.5", -0.5),
    ("5.", 5.0),
    ("5.e1", 50.0),
    ("0x1F", 31),
    ("-0XfF", -255),
    ("0x7fffffffffffffff", JSON(Int64.max)),
    ("-0x8000000000000000", JSON(Int64.min)),
    ("[1,]", [1]),
    ("{\"a\":1,}", ["a": 1]),
    ("''", ""),
    ("'\"'", "\""),
    (#"'it\'s'"#, "it's"),
    (#""\'""#, "'"),
    (#"'\v\0\x41\q'"#, "\u{B}\0Aq"),
    ("'a\\\nb\\\r\nc\\\rd\\\u{2028}e'", "abcde"),
    ("'\t\u{1}'", "\t\u{1}"),
    ("{a:1,$b_2:2,_:3,null:4,été:5}", ["a": 1, "$b_2": 2, "_": 3, "null": 4, "été": 5]),
    (#"{\u0061b\u{63}:1}"#.replacing(#"\u{63}"#, with: #"\u0063"#), ["abc": 1]),
    ("{'a b':1/**/,/**/}", ["a b": 1]),
  ]

  @Test
  func `tells where each value and each name begins`() throws {
    let text = "{\n  // über\n  \"é\": [1,\r\n\t'x'],\r  b: {c: null} }"
    let value = try JSON(parsing: Array(text.utf8), dialect: .json5)
    let members = try #require(value.members)
    let elements = try #require(members[0].value.array)
    #expect(value.place == JSON.Place(line: 1, column: 1))
    #expect(members.map(\.name) == ["é", "b"])
    #expect(members[0].namePlace == JSON.Place(line: 3, column: 3))
    #expect(members[0].value.place == JSON.Place(line: 3, column: 8))
    #expect(elements.map(\.place) == [.init(line: 3, column: 9), .init(line: 4, column: 2)])
    #expect(members[1].namePlace == JSON.Place(line: 5, column: 3))
    #expect(members[1].value["c"]?.place == JSON.Place(line: 5, column: 10))
  }

  @Test
  func `takes no column for a byte order mark`() throws {
    let value = try JSON(parsing: Array("\u{FEFF}1".utf8), dialect: .json5)
    #expect(value.place == JSON.Place(line: 1, column: 1))
  }

  @Test
  func `nests as deep as the limit and no deeper`() throws {
    let fits = Array((String(repeating: "[", count: 64) + String(repeating: "]", count: 64)).utf8)
    let value = try JSON(parsing: fits, dialect: .strict)
    #expect(value.text.utf8.elementsEqual(fits))
    #expect(throws: JSONError.self) {
      try JSON(parsing: Array("[".utf8) + fits + Array("]".utf8), dialect: .strict)
    }
    #expect(throws: JSONError.self) {
      try JSON(parsing: Array("[[1]]".utf8), dialect: .strict, maximumDepth: 1)
    }
  }
}
