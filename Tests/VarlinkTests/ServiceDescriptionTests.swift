// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import ControlAPI
import Testing
import Varlink

/// The interfaces that nbdd offers, and what it tells of itself.
struct ServiceDescriptionTests {
  private let service: ServiceDescription

  init() throws {
    service = try ServiceDescription(
      vendor: "The nbdd authors", product: "nbdd", version: "1.0", url: "https://example.org",
      interfaces: [ControlInterface.text])
  }

  @Test(arguments: ["org.nbdd", "org.varlink.service"])
  func `documents each method and each error of an interface`(name: String) throws {
    let interface = try #require(service.interface(named: name))
    #expect(interface.name == name)
    #expect(interface.documentation != "")
    #expect(interface.methods.filter { $0.documentation == "" } == [])
    #expect(interface.errors.filter { $0.documentation == "" } == [])
  }

  @Test(arguments: ["org.nbdd", "org.varlink.service"])
  func `uses each type of an interface`(name: String) throws {
    let interface = try #require(service.interface(named: name))
    var used: Set<String> = []
    func use(_ type: Interface.DataType) {
      switch type {
      case .named(let name):
        if used.insert(name).inserted, let named = interface.type(named: name) { use(named.type) }
      case .structure(let fields): fields.forEach { use($0.type) }
      case .array(let type), .map(let type), .nullable(let type): use(type)
      case .bool, .int, .float, .string, .object, .enumeration: break
      }
    }
    for method in interface.methods { (method.input + method.output).forEach { use($0.type) } }
    for error in interface.errors { error.parameters.forEach { use($0.type) } }
    #expect(interface.types.map(\.name).filter { !used.contains($0) } == [])
  }

  @Test
  func `has the members that clients count on`() throws {
    let interface = try #require(service.interface(named: "org.nbdd"))
    #expect(
      interface.methods.map(\.name) == [
        "Attach", "Detach", "Reconnect", "Fail", "Status", "Reload", "PrepareShutdown", "Watch",
      ])
    let service = try #require(self.service.interface(named: "org.varlink.service"))
    #expect(service.methods.map(\.name) == ["GetInfo", "GetInterfaceDescription"])
    #expect(
      Set(service.errors.map(\.name)) == [
        "InterfaceNotFound", "MethodNotFound", "MethodNotImplemented", "InvalidParameter",
        "PermissionDenied", "ExpectedMore",
      ])
  }

  @Test
  func `tells about itself`() {
    let reply = service.answer(Call(method: "org.varlink.service.GetInfo"))
    #expect(
      reply?.parameters == [
        "vendor": "The nbdd authors", "product": "nbdd", "version": "1.0",
        "url": "https://example.org", "interfaces": ["org.varlink.service", "org.nbdd"],
      ])
    #expect(reply?.error == nil)
  }

  @Test(arguments: [
    ("org.nbdd", ControlInterface.text), ("org.varlink.service", InterfaceText.service),
  ])
  func `gives the text of an interface as it is`(name: String, text: String) {
    let reply = service.answer(
      Call(
        method: "org.varlink.service.GetInterfaceDescription",
        parameters: ["interface": JSON(name)]))
    #expect(reply == Reply(parameters: ["description": JSON(text)]))
  }

  @Test(arguments: errors)
  func `answers calls that lead nowhere`(call: Call, reply: Reply) {
    #expect(service.answer(call) == reply)
  }

  static let errors: [(Call, Reply)] = [
    (Call(method: "org.example.Get"), .interfaceNotFound("org.example")),
    (Call(method: "org.nbdd.Get"), .methodNotFound("org.nbdd.Get")),
    (Call(method: "org.nbdd.State"), .methodNotFound("org.nbdd.State")),
    (Call(method: "nonsense"), .methodNotFound("nonsense")),
    (Call(method: "org.varlink.service.Get"), .methodNotFound("org.varlink.service.Get")),
    (
      Call(method: "org.varlink.service.GetInterfaceDescription"), .invalidParameter("interface")
    ),
    (
      Call(
        method: "org.varlink.service.GetInterfaceDescription", parameters: ["interface": "a.b"]),
      .interfaceNotFound("a.b")
    ),
    (Call(method: "org.nbdd.Status", parameters: ["name": 1]), .invalidParameter("name")),
    (
      Call(
        method: "org.nbdd.Attach",
        parameters: ["context": ["name": "a", "uri": "nbd://h", "mount": ["path": []]]]),
      .invalidParameter("context.mount.path")
    ),
  ]

  @Test(arguments: [
    Call(method: "org.nbdd.Status"), Call(method: "org.nbdd.Watch", more: true),
    Call(method: "org.nbdd.Attach", parameters: ["name": "a", "context": .null]),
  ])
  func `leaves to the service what only it can do`(call: Call) {
    #expect(service.answer(call) == nil)
  }

  @Test(arguments: [
    Reply.interfaceNotFound("a.b"), .methodNotFound("a.b.C"), .methodNotImplemented("a.b.C"),
    .invalidParameter("x"), .permissionDenied, .expectedMore,
  ])
  func `makes errors as they are defined`(reply: Reply) throws {
    let interface = try #require(service.interface(named: "org.varlink.service"))
    let error = try #require(reply.error)
    #expect(interface.problems(inError: reply.parameters, named: error) == [])
  }
}
