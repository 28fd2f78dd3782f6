// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import Varlink

/// Values as Swift code makes them, and as text.
struct JSONWriterTests {
  @Test(arguments: texts)
  func `writes a value in one line`(value: JSON, text: String) throws {
    #expect(value.text == text)
    #expect(try JSON(parsing: Array(text.utf8), dialect: .strict) == value)
  }

  static let texts: [(JSON, String)] = [
    (.null, "null"),
    (true, "true"),
    (JSON(Int64.min), "-9223372036854775808"),
    (1.0, "1.0"),
    (-2.5e-300, "-2.5e-300"),
    (1e20, "1e+20"),
    (0.1, "0.1"),
    (
      "\" \\ / \n \r \t \u{0} \u{1F} \u{7F} \u{9B} \u{2028} \u{2029} \u{202E} \u{E0041} é 😀",
      #""\" \\ / \n \r \t \u0000 \u001f \u007f \u009b \u2028 \u2029 \u202e \udb40\udc41 é 😀""#
    ),
    ([], "[]"),
    ([1, [.null], [:]], "[1,[null],{}]"),
    (["z": 1, "a": ["b": "c"], "\n": false], #"{"z":1,"a":{"b":"c"},"\n":false}"#),
  ]

  @Test
  func `writes null for a number that JSON does not have`() {
    #expect(JSON(.array([JSON(.real(.infinity)), JSON(.real(.nan))])).text == "[null,null]")
  }

  @Test
  func `indents for people`() {
    let value: JSON = ["name": "a", "list": [1, [:], []], "inner": ["x": .null]]
    #expect(
      value.indentedText == """
        {
          "name": "a",
          "list": [
            1,
            {},
            []
          ],
          "inner": {
            "x": null
          }
        }
        """)
  }

  @Test
  func `leaves out members that are nil, and keeps those that are null`() {
    let absent: String? = nil
    let device: String? = "/dev/nbd0"
    let value = JSON.object([
      "name": "a", "device": device.map { JSON($0) }, "server": absent.map { JSON($0) },
      "none": nil, "null": .null,
    ])
    #expect(value.text == #"{"name":"a","device":"/dev/nbd0","null":null}"#)
  }

  @Test
  func `makes values from Swift values`() {
    let number = 7
    #expect(JSON("a\(number)").string == "a7")
    #expect(JSON(number).integer == 7)
    #expect(JSON(UInt64.max).integer == Int64.max)
    #expect(JSON(["a", "b"].map { String($0) }) == ["a", "b"])
    #expect(JSON(number == 7).bool == true)
  }

  @Test
  func `gives what a value is and nothing else`() {
    let values: [JSON] = [.null, true, 1, 1.5, "a", [1], ["a": 1]]
    #expect(
      values.map(\.kind) == [
        "null", "true or false", "an integer", "a number", "a string", "an array", "an object",
      ])
    #expect(values.map(\.isNull) == [true, false, false, false, false, false, false])
    #expect(values.map(\.bool) == [nil, true, nil, nil, nil, nil, nil])
    #expect(values.map(\.integer) == [nil, nil, 1, nil, nil, nil, nil])
    #expect(values.map(\.real) == [nil, nil, 1, 1.5, nil, nil, nil])
    #expect(values.map(\.string) == [nil, nil, nil, nil, "a", nil, nil])
    #expect(values.map { $0.array?.count } == [nil, nil, nil, nil, nil, 1, nil])
    #expect(values.map { $0.members?.count } == [nil, nil, nil, nil, nil, nil, 1])
    #expect(values.map { $0["a"] != nil } == [false, false, false, false, false, false, true])
  }

  @Test
  func `compares values without their places, scalar by scalar`() throws {
    let read = try JSON(parsing: Array(#" {"a": [1]}"#.utf8), dialect: .strict)
    #expect(read == ["a": [1]])
    #expect(read != ["a": [2]])
    #expect(JSON(1) != 1.0)
    #expect(["a": 1, "b": 2] as JSON != ["b": 2, "a": 1])
    #expect(JSON("K") != "\u{212A}")
    #expect((["K": 1] as JSON)["\u{212A}"] == nil)
  }
}
