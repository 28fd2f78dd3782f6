// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import Varlink

/// Calls and replies on the wire.
struct MessageTests {
  @Test(arguments: calls)
  func `reads calls`(text: String, call: Call) throws {
    #expect(try Call(parsing: Array(text.utf8)) == call)
    #expect(call.bytes.last == 0)
    #expect(try Call(parsing: Array(call.bytes.dropLast())) == call)
  }

  static let calls: [(String, Call)] = [
    (#"{"method":"org.nbdd.Status"}"#, Call(method: "org.nbdd.Status")),
    (#"{"method":"org.nbdd.Status","parameters":null}"#, Call(method: "org.nbdd.Status")),
    (#"{"method":"org.nbdd.Status","parameters":{}}"#, Call(method: "org.nbdd.Status")),
    (
      #" { "parameters" : {"name":"a"}, "method" : "org.nbdd.Status" } "#,
      Call(method: "org.nbdd.Status", parameters: ["name": "a"])
    ),
    (#"{"method":"a.b.C","more":true}"#, Call(method: "a.b.C", more: true)),
    (#"{"method":"a.b.C","oneway":true}"#, Call(method: "a.b.C", oneway: true)),
    (#"{"method":"a.b.C","upgrade":true}"#, Call(method: "a.b.C", upgrade: true)),
    (
      #"{"method":"a.b.C","more":false,"oneway":false,"upgrade":false}"#, Call(method: "a.b.C")
    ),
    (#"{"method":"a.b.C","more":null,"oneway":true}"#, Call(method: "a.b.C", oneway: true)),
    (#"{"method":"a.b.C","org.example.tag":{"x":1},"odd":[]}"#, Call(method: "a.b.C")),
  ]

  @Test(arguments: badCalls)
  func `refuses what is not a call`(text: String, message: String) {
    #expect(throws: MessageError(message: message)) { try Call(parsing: Array(text.utf8)) }
  }

  static let badCalls: [(String, String)] = [
    ("", "line 1, column 1: the text is empty; expected a value"),
    ("{\n  method: 1}", "line 2, column 3: expected a name in double quotes, found 'm'"),
    (
      "{\"method\":\"a.b.C\"}\0", #"line 1, column 19: expected the end of the text, found '\u{0}'"#
    ),
    ("[]", "a message is an object, not an array"),
    ("{}", "the call names no method"),
    (#"{"method":null}"#, "the call names no method"),
    (#"{"method":1}"#, "'method' is an integer, not a string"),
    (#"{"method":""}"#, "'method' is '', not INTERFACE.NAME"),
    (#"{"method":"Status"}"#, "'method' is 'Status', not INTERFACE.NAME"),
    (#"{"method":"org.Status"}"#, "'method' is 'org.Status', not INTERFACE.NAME"),
    (#"{"method":"org.nbdd.status"}"#, "'method' is 'org.nbdd.status', not INTERFACE.NAME"),
    (#"{"method":"org.nbdd."}"#, "'method' is 'org.nbdd.', not INTERFACE.NAME"),
    (#"{"method":"org.nbdd.Á"}"#, "'method' is 'org.nbdd.Á', not INTERFACE.NAME"),
    (#"{"method":"a.b.C","parameters":[]}"#, "'parameters' is an array, not an object"),
    (#"{"method":"a.b.C","parameters":"x"}"#, "'parameters' is a string, not an object"),
    (#"{"method":"a.b.C","more":1}"#, "'more' is an integer, not true or false"),
    (
      #"{"method":"a.b.C","more":true,"oneway":true}"#,
      "'more', 'oneway' and 'upgrade' exclude one another"
    ),
    (
      #"{"method":"a.b.C","more":true,"upgrade":true}"#,
      "'more', 'oneway' and 'upgrade' exclude one another"
    ),
  ]

  @Test(arguments: replies)
  func `reads replies`(text: String, reply: Reply) throws {
    #expect(try Reply(parsing: Array(text.utf8)) == reply)
    #expect(reply.bytes.last == 0)
    #expect(try Reply(parsing: Array(reply.bytes.dropLast())) == reply)
  }

  static let replies: [(String, Reply)] = [
    ("{}", Reply()),
    (#"{"parameters":null,"continues":false,"error":null}"#, Reply()),
    (#"{"parameters":{"a":1}}"#, Reply(parameters: ["a": 1])),
    (#"{"continues":true}"#, Reply(continues: true)),
    (
      #"{"error":"org.nbdd.NoSuchDevice","parameters":{"name":"a"}}"#,
      Reply(parameters: ["name": "a"], error: "org.nbdd.NoSuchDevice")
    ),
  ]

  @Test(arguments: badReplies)
  func `refuses what is not a reply`(text: String, message: String) {
    #expect(throws: MessageError(message: message)) { try Reply(parsing: Array(text.utf8)) }
  }

  static let badReplies: [(String, String)] = [
    ("1", "a message is an object, not an integer"),
    (#"{"parameters":1}"#, "'parameters' is an integer, not an object"),
    (#"{"error":true}"#, "'error' is true or false, not a string"),
    (#"{"error":"busy"}"#, "'error' is 'busy', not INTERFACE.NAME"),
    (#"{"continues":"yes"}"#, "'continues' is a string, not true or false"),
    (
      #"{"error":"a.b.C","continues":true}"#, "an error ends a call, but 'continues' is true"
    ),
  ]

  @Test(arguments: [1, 1_234_567] as [Int64])
  func `writes a reply for many with a number for each`(number: Int64) throws {
    let shared = NumberedReply(["event": "changed", "name": "a"])
    let reply = Reply(
      parameters: ["sequence": JSON(number), "event": "changed", "name": "a"], continues: true)
    #expect(shared.bytes("sequence", number) == reply.bytes)
  }

  @Test
  func `writes no more than is said`() {
    #expect(
      Call(method: "a.b.C", more: true).bytes
        == Array("{\"method\":\"a.b.C\",\"parameters\":{},\"more\":true}\0".utf8))
    #expect(
      Reply(parameters: ["a": 1], continues: true).bytes
        == Array("{\"parameters\":{\"a\":1},\"continues\":true}\0".utf8))
    #expect(
      Reply(error: "a.b.C").bytes == Array("{\"error\":\"a.b.C\",\"parameters\":{}}\0".utf8))
  }
}
