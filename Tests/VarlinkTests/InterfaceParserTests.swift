// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import TestSupport

@testable import Varlink

/// Texts of interfaces.
struct InterfaceParserTests {
  @Test
  func `reads all that the language has`() throws {
    let interface = try Interface(
      parsing: """
        # First line.
        #
        #   Third line.
        interface org.example-1.2x
        type A (b: bool, i: int, f: float, s: string, o: object)
        type B(one,two_2 , Three)
        # Not above C: a blank line follows.

        type C () # behind C
        error E (
          # Of c.
          c: C, # behind c
          d: ?[]?[string]B
        )\r
        # Calls.\r
        method M(n:?(x,y),m:(z:[](w:int)))->(type:[][]string, interface: [string]())
        error F()
        """)
    #expect(interface.name == "org.example-1.2x")
    #expect(interface.documentation == "First line.\n\n  Third line.")
    #expect(interface.types.map(\.name) == ["A", "B", "C"])
    #expect(interface.types.map(\.documentation) == ["", "", ""])
    #expect(
      interface.type(named: "A")?.type
        == .structure([
          field("b", .bool), field("i", .int), field("f", .float), field("s", .string),
          field("o", .object),
        ]))
    #expect(interface.type(named: "B")?.type == .enumeration(["one", "two_2", "Three"]))
    #expect(interface.type(named: "C")?.type == .structure([]))
    #expect(
      interface.error(named: "E")?.parameters == [
        field("c", .named("C"), "Of c."),
        field("d", .nullable(.array(.nullable(.map(.named("B")))))),
      ])
    let method = try #require(interface.method(named: "org.example-1.2x.M"))
    #expect(method == interface.method(named: "M"))
    #expect(method.documentation == "Calls.")
    #expect(
      method.input == [
        field("n", .nullable(.enumeration(["x", "y"]))),
        field("m", .structure([field("z", .array(.structure([field("w", .int)])))])),
      ])
    #expect(
      method.output == [
        field("type", .array(.array(.string))), field("interface", .map(.structure([]))),
      ])
    #expect(interface.error(named: "F")?.parameters == [])
    #expect(interface.error(named: "M") == nil)
    #expect(interface.method(named: "org.example.M") == nil)
  }

  private func field(
    _ name: String, _ type: Interface.DataType, _ documentation: String = ""
  ) -> Interface.Field {
    Interface.Field(name: name, type: type, documentation: documentation)
  }

  @Test(arguments: faults)
  func `refuses what is not an interface`(text: String, fault: String) {
    do {
      Issue.record("taken: \(try Interface(parsing: text))")
    } catch {
      #expect("\(error.place.line):\(error.place.column): \(error.message)" == fault)
    }
  }

  static let faults: [(String, String)] = [
    ("", "1:1: the text is empty; expected 'interface'"),
    ("# x\n", "2:1: the text is empty; expected 'interface'"),
    ("type A ()", "1:1: expected 'interface', found 'type'"),
    ("(", "1:1: expected 'interface', found '('"),
    ("interface", "1:10: expected a name as in 'org.example', found the end of the text"),
    ("interface a", "1:11: expected a name as in 'org.example', found 'a'"),
    ("interface a.", "1:11: expected a name as in 'org.example', found 'a.'"),
    ("interface .a", "1:11: expected a name as in 'org.example', found '.a'"),
    ("interface 1.a", "1:11: expected a name as in 'org.example', found '1.a'"),
    ("interface a..b", "1:11: expected a name as in 'org.example', found 'a..b'"),
    ("interface a.-b", "1:11: expected a name as in 'org.example', found 'a.-b'"),
    ("interface a.b-", "1:11: expected a name as in 'org.example', found 'a.b-'"),
    ("interface a.b--c", "1:11: expected a name as in 'org.example', found 'a.b--c'"),
    ("interface a.b", "1:14: expected 'type', 'method', 'error', found the end of the text"),
    body("typ A ()", "2:1: expected 'type', 'method', 'error', found 'typ'"),
    body("typeA ()", "2:1: expected 'type', 'method', 'error', found 'typeA'"),
    body("type A ();", "2:10: expected 'type', 'method', 'error', found ';'"),
    body("type a ()", "2:6: expected a name that begins with an upper-case letter, found 'a'"),
    body(
      "type A_b ()",
      "2:6: expected a name that begins with an upper-case letter, found 'A_b'"),
    body("type (", "2:6: expected a name that begins with an upper-case letter, found '('"),
    body("type A", "2:7: expected '(', found the end of the text"),
    body("type A int", "2:8: expected '(', found 'i'"),
    body("type A (", "2:9: expected the name of a field, found the end of the text"),
    body("type A (a", "2:10: expected ':', ',' or ')', found the end of the text"),
    body("type A (a,)", "2:11: expected the name of a field, found ')'"),
    body("type A (a: int,)", "2:16: expected the name of a field, found ')'"),
    body("type A (1a: int)", "2:9: expected the name of a field, found '1a'"),
    body("type A (_a: int)", "2:9: expected the name of a field, found '_a'"),
    body("type A (a_: int)", "2:9: expected the name of a field, found 'a_'"),
    body("type A (a__b: int)", "2:9: expected the name of a field, found 'a__b'"),
    body("type A (a-b: int)", "2:10: expected ':', ',' or ')', found '-'"),
    body("type A (a: int b: int)", "2:16: expected ',' or ')', found 'b'"),
    body("type A (a: int, b)", "2:18: expected ':' and a type, found ')'"),
    body("type A (a, b: int)", "2:13: expected ',' or ')', found ':'"),
    body("type A (a:)", "2:11: expected a type, found ')'"),
    body("type A (a: ??int)", "2:13: '?' must not stand twice"),
    body("type A (a: ? int)", "2:13: expected a type, found ' '"),
    body("type A (a: ?)", "2:13: expected a type, found ')'"),
    body("type A (a: [int]int)", "2:12: expected '[]' or '[string]' here"),
    body("type A (a: [ ]int)", "2:12: expected '[]' or '[string]' here"),
    body("type A (a: [])", "2:14: expected a type, found ')'"),
    body("type A (a: integer)", "2:12: expected a type, found 'integer'"),
    body("type A (a: B)", "2:12: 'B' is not a type of this interface"),
    body("type A (a: E)\nerror E ()", "2:12: 'E' is not a type of this interface"),
    body(
      "type A (a: int,\na: int)",
      "3:1: 'a' stands here a second time; it was first given in line 2"),
    body(
      "type A (a, b, a)",
      "2:15: 'a' stands here a second time; it was first given in line 2"),
    body(
      "type A ()\nerror A ()",
      "3:7: 'A' stands here a second time; it was first given in line 2"),
    body(
      "method A() -> ()\ntype A ()",
      "3:6: 'A' stands here a second time; it was first given in line 2"),
    body("method A()", "2:11: expected '->', found the end of the text"),
    body("method A() - > ()", "2:13: expected '->', found ' '"),
    body("method A() => ()", "2:12: expected '->', found '='"),
    body("method A() ->", "2:14: expected '(', found the end of the text"),
    body(
      "method A(a, b) -> ()",
      "2:9: expected fields, each with a type, found names alone"),
    body("error A (a, b)", "2:9: expected fields, each with a type, found names alone"),
    body(
      "type A (a: " + String(repeating: "[]", count: 64) + "int)",
      "2:138: types are nested more than 64 deep here"),
  ]

  private static func body(_ text: String, _ fault: String) -> (String, String) {
    ("interface org.example\n" + text, fault)
  }

  @Test
  func `reads types that are nested as deep as the limit`() throws {
    let type = String(repeating: "[]", count: 62) + "int"
    #expect(throws: Never.self) {
      try Interface(parsing: "interface org.example\ntype A (a: \(type))")
    }
  }

  @Test(arguments: ["(a:", "[](a:", "?[](a:", "[string](a:"])
  func `refuses a bomb of types`(unit: String) {
    let bomb = String(repeating: unit, count: 100_000)
    #expect(throws: InterfaceError.self) {
      try Interface(parsing: "interface org.example\ntype A (a:\(bomb)")
    }
  }

  @Test(arguments: 0..<4 as Range<UInt64>)
  func `survives nonsense`(seed: UInt64) {
    var generator = SplitMix(seed: seed)
    var takenCount = 0
    for _ in 0..<2_000 {
      let nonsense = String(decoding: generator.nonsense(of: Self.fragments), as: UTF8.self)
      let interface = try? Interface(parsing: "interface a.b\ntype A (c)\n" + nonsense)
      takenCount += interface == nil ? 0 : 1
    }
    #expect(takenCount > 5)
  }

  private static let fragments = [
    "type", "method", "error", " B", " C", "(a: int)", "()", "(", ")", "->", "(b: ?A)", ",", ":",
    "?", "[]", "[string]", "int", "#", "\n", " ", "\ntype D (x, y)\n", "\nerror F (z: []A)\n",
  ]
}
