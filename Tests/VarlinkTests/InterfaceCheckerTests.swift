// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import Varlink

/// Values held against their definition.
struct InterfaceCheckerTests {
  private static let text = """
    interface org.example
    type Kind (disk, tape)
    type Node (kind: Kind, next: ?Node, tags: []string, sizes: ?[string]int)
    method Put(node: Node, ratio: ?float, extra: ?object, flag: bool) -> (nodes: []Node, id: int)
    error Bad (reason: string)
    """

  @Test(arguments: parameters)
  func `finds what is wrong with parameters`(value: JSON, problems: [String]) throws {
    let interface = try Interface(parsing: Self.text)
    let found = interface.problems(inParameters: value, of: "Put")
    #expect(found.map { "\($0.path): \($0.message)" } == problems)
    #expect(found == interface.problems(inParameters: value, of: "org.example.Put"))
  }

  private static let node: JSON = ["kind": "disk", "tags": ["a"]]

  static let parameters: [(JSON, [String])] = [
    (["node": node, "flag": true], []),
    (["flag": true, "node": node, "ratio": 1, "extra": [:]], []),
    (["node": node, "flag": true, "ratio": 1.5, "extra": ["any": [.null]]], []),
    (["node": node, "flag": true, "ratio": .null, "extra": .null], []),
    (
      ["node": ["kind": "tape", "tags": [], "next": node, "sizes": ["a": 1]], "flag": false], []
    ),
    ([:], ["node: missing", "flag: missing"]),
    (
      ["node": .null, "flag": .null],
      ["node: expected an object, found null", "flag: expected true or false, found null"]
    ),
    (
      ["node": node, "flag": 1, "Flag": true],
      ["flag: expected true or false, found an integer", "Flag: not known here"]
    ),
    (
      ["node": node, "flag": true, "ratio": "1", "extra": []],
      ["ratio: expected a number, found a string", "extra: expected an object, found an array"]
    ),
    (
      [
        "node": ["kind": "disc", "tags": ["a", 1], "next": ["kind": 1, "tags": .null]],
        "flag": true,
      ],
      [
        "node.kind: 'disc' is not one of disk, tape",
        "node.next.kind: expected a string, found an integer",
        "node.next.tags: expected an array, found null",
        "node.tags[1]: expected a string, found an integer",
      ]
    ),
    (
      ["node": ["kind": "disk", "tags": [], "sizes": ["a b": 1.0, "c": "1"]], "flag": true],
      [
        "node.sizes.'a b': expected an integer, found a number",
        "node.sizes.c: expected an integer, found a string",
      ]
    ),
  ]

  @Test
  func `finds what is wrong with replies and errors`() throws {
    let interface = try Interface(parsing: Self.text)
    #expect(interface.problems(inReply: ["nodes": [Self.node], "id": 1], of: "Put") == [])
    #expect(
      interface.problems(inReply: ["nodes": [Self.node, [:]], "id": 1.0], of: "Put") == [
        Interface.Problem(path: "nodes[1].kind", message: "missing"),
        Interface.Problem(path: "nodes[1].tags", message: "missing"),
        Interface.Problem(path: "id", message: "expected an integer, found a number"),
      ])
    #expect(interface.problems(inError: ["reason": "x"], named: "org.example.Bad") == [])
    #expect(
      interface.problems(inError: [:], named: "Bad") == [
        Interface.Problem(path: "reason", message: "missing")
      ])
  }

  @Test
  func `finds that a member is not defined`() throws {
    let interface = try Interface(parsing: Self.text)
    func undefined(_ name: String) -> [Interface.Problem] {
      [Interface.Problem(path: "", message: "'\(name)' is not defined in org.example")]
    }
    #expect(interface.problems(inParameters: [:], of: "Get") == undefined("Get"))
    #expect(interface.problems(inReply: [:], of: "org.other.Put") == undefined("org.other.Put"))
    #expect(interface.problems(inError: [:], named: "Put") == undefined("Put"))
    #expect(
      interface.problems(in: 1, as: .named("Nil")) == [
        Interface.Problem(path: "", message: "'Nil' is not a type of org.example")
      ])
  }

  @Test
  func `has a limit for the number and the length of problems`() throws {
    let interface = try Interface(parsing: Self.text)
    let name = String(repeating: "x", count: 100_000)
    let elements = JSON([JSON](repeating: [], count: 100_000))
    let value = JSON(.object([JSON.Member(name: name, value: elements)]))
    let problems = interface.problems(in: value, as: .map(.array(.string)))
    #expect(problems.count == 100)
    #expect(
      problems.last?.path == String(repeating: "x", count: 64) + "…[99]")
  }
}
