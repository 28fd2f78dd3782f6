// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Testing
internal import Varlink

/// The structures of ControlAPI beside the text of the interface.
struct ControlInterfaceTests {
  private static let structures: [any Structure.Type] = [
    DeviceContext.self, MountContext.self, DeviceStatus.self, DeviceRuntime.self,
    ExportStatus.self, MountStatus.self, RelayStatus.self, RelayConnectionStatus.self,
    RelayOperationStatus.self,
    FailureReport.self, ConfigurationProblem.self,
  ]
  private static let enumerations: [any Enumeration.Type] = [
    DeviceState.self, FailureStage.self, FailureKind.self, WatchEvent.Kind.self,
  ]

  private let interface: Interface

  init() throws {
    interface = try Interface(parsing: ControlInterface.text)
  }

  @Test func `every type of the interface has its structure, field by field`() {
    #expect(interface.name == ControlInterface.name)
    for structure in Self.structures {
      let name = structure.typeName ?? "?"
      guard case .structure(let fields) = interface.type(named: name)?.type else {
        Issue.record("\(name) is not a structure of the interface")
        continue
      }
      #expect(texts(fields) == texts(structure), "\(name)")
    }
    for enumeration in Self.enumerations {
      let name = enumeration.typeName ?? "?"
      #expect(interface.type(named: name)?.type == enumeration.definition, "\(name)")
    }
    let known = Self.structures.map { $0.typeName } + Self.enumerations.map { $0.typeName }
    #expect(Set(interface.types.map(\.name)) == Set(known.compactMap(\.self)))
  }

  @Test func `every method takes and returns what the interface says`() {
    let known = [
      check(ControlMethod.attach), check(ControlMethod.detach), check(ControlMethod.reconnect),
      check(ControlMethod.fail), check(ControlMethod.status), check(ControlMethod.reload),
      check(ControlMethod.prepareShutdown),
      check(ControlMethod.watch),
    ]
    #expect(Set(interface.methods.map { "org.nbdd.\($0.name)" }) == Set(known))
  }

  private func check<Input, Output>(_ method: Method<Input, Output>) -> String {
    let definition = interface.method(named: method.name)
    #expect(texts(definition?.input ?? []) == texts(Input.self), "\(method.name)")
    #expect(texts(definition?.output ?? []) == texts(Output.self), "\(method.name)")
    return method.name
  }

  @Test func `every error is read and written with the parameters of the interface`() throws {
    for error in interface.errors {
      let parameters = sample(.structure(error.parameters))
      let reply = Reply(parameters: parameters, error: "org.nbdd.\(error.name)")
      let read = try #require(try ControlError(reply))
      #expect(read.reply == reply)
      if case .other = read { Issue.record("\(error.name) is not known") }
      #expect(interface.problems(inError: read.reply.parameters, named: error.name) == [])
    }
  }

  @Test func `errors of Varlink itself are told apart, and others are kept as they are`() throws {
    let service = [
      (Reply.permissionDenied, ControlError.permissionDenied),
      (Reply.expectedMore, .expectedMore),
      (Reply.invalidParameter("context.uri"), .invalidParameter("context.uri")),
    ]
    for (reply, error) in service {
      #expect(try ControlError(reply) == error)
      #expect(error.reply == reply)
    }
    let strange = Reply(parameters: ["a": 1], error: "org.example.Strange")
    #expect(try ControlError(strange) == .other("org.example.Strange", ["a": 1]))
    #expect(try ControlError(strange)?.reply == strange)
    #expect(try ControlError(Reply(parameters: [:])) == nil)
  }

  @Test func `what is written is read again`() throws {
    for structure in Self.structures { try repeats(structure) }
  }

  private func repeats(_ structure: (some Structure).Type) throws {
    let full = sample(structure.dataType)
    let value = try structure.init(decoding: full)
    #expect(value.json == full)
    #expect(try structure.init(decoding: value.json) == value)
  }

  @Test(arguments: [
    ("{}", "devices: missing"),
    (#"{"devices": 1}"#, "devices: expected an array, found an integer"),
    (
      #"{"devices": [{"context": {"name": "a", "uri": null}}]}"#,
      "devices[0].context.uri: expected a string, found null"
    ),
    (
      #"{"devices": [{"context": {"name": "a", "uri": "b", "mount": {"path": 1}}}]}"#,
      "devices[0].context.mount.path: expected a string, found an integer"
    ),
    (
      #"{"devices": [{"context": {"uri": "b", "name": "a"}, "runtime": {"state": "odd"}}]}"#,
      "devices[0].runtime.state: expected one of detached, connecting, attaching, attached, "
        + "reconnecting, detaching, failed, found a string"
    ),
  ])
  func `a reply that does not fit says where`(text: String, message: String) throws {
    let json = try JSON(parsing: Array(text.utf8), dialect: .strict)
    let error = #expect(throws: FieldError.self) { try StatusResult(decoding: json) }
    #expect(error?.description == message)
  }

  @Test func `a reply of an older nbdd lacks what that did not know yet`() throws {
    let text =
      #"{"devices": [{"context": {"name": "a", "uri": "b"}, "runtime": {"state": "attached"}}]}"#
    let status = try StatusResult(decoding: JSON(parsing: Array(text.utf8), dialect: .strict))
    #expect(status.devices.map(\.runtime.state) == [.attached])
    #expect(status.devices.map(\.runtime.outages) == [0])
  }

  @Test func `members that are not known are passed over`() throws {
    let json: JSON = ["later": 2, "changed": true, "soon": ["a"]]
    #expect(try FailResult(decoding: json) == FailResult(changed: true))
  }

  @Test func `names that nobody has are cut`() {
    let error = ControlError.noDevice(named: String(repeating: "x", count: 1_000_000))
    #expect((error.reply.parameters["name"]?.string?.count ?? .max) < 80)
  }

  // MARK: help

  private func texts(_ fields: [Interface.Field]) -> [String] {
    fields.map { "\($0.name): \($0.type)" }
  }

  private func texts(_ structure: (some Structure).Type) -> [String] {
    structure.fields.map { "\($0.name): \($0.type)" }
  }

  /// A value of a type of the interface, with everything that may be there.
  private func sample(_ type: Interface.DataType) -> JSON {
    switch type {
    case .bool: true
    case .int: 7
    case .float: 1.5
    case .string: "text"
    case .object: [:]
    case .named(let name): interface.type(named: name).map { sample($0.type) } ?? .null
    case .structure(let fields):
      JSON(.object(fields.map { JSON.Member(name: $0.name, value: sample($0.type)) }))
    case .enumeration(let names): JSON(names.last ?? "")
    case .array(let element): [sample(element), sample(element)]
    case .map(let element): ["key": sample(element)]
    case .nullable(let wrapped): sample(wrapped)
    }
  }
}
