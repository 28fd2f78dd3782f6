// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

extension Interface {
  /// One way in which a value differs from its definition.
  package struct Problem: Sendable, Equatable {
    /// Where in the value, for example "device.runtime.holders[2]"; empty for the value itself.
    package var path: String

    /// What is wrong there, for example "expected a string, found an integer".
    package var message: String

    package init(path: String, message: String) {
      self.path = path
      self.message = message
    }
  }

  /// Returns how the value differs from the type, at most 100 problems.
  ///
  /// If a type is nullable, the member may also be absent. An `int` is an integer in JSON notation, a
  /// `float` is any number, an `object` is any object.
  package func problems(in value: JSON, as type: DataType) -> [Problem] {
    var checker = InterfaceChecker(interface: self)
    checker.check(value, as: type)
    return checker.problems
  }

  /// Returns how the parameters differ from the method's definition; the name may be the full one.
  package func problems(inParameters value: JSON, of method: String) -> [Problem] {
    problems(in: value, as: self.method(named: method)?.input, of: method)
  }

  /// Returns how the parameters of a reply differ from the method's definition.
  package func problems(inReply value: JSON, of method: String) -> [Problem] {
    problems(in: value, as: self.method(named: method)?.output, of: method)
  }

  /// Returns how the parameters of an error differ from its definition; the name may be the full one.
  package func problems(inError value: JSON, named error: String) -> [Problem] {
    problems(in: value, as: self.error(named: error)?.parameters, of: error)
  }

  private func problems(in value: JSON, as fields: [Field]?, of member: String) -> [Problem] {
    guard let fields else {
      return [Problem(path: "", message: "\(member.quoted) is not defined in \(name)")]
    }
    return problems(in: value, as: .structure(fields))
  }
}

/// A comparison of a value with a type, as deep as the value.
private struct InterfaceChecker {
  private static let maximumCount = 100

  let interface: Interface
  private(set) var problems: [Interface.Problem] = []
  private var path: [Step] = []

  private enum Step {
    case member(String)
    case index(Int)
  }

  init(interface: Interface) { self.interface = interface }

  mutating func check(_ value: JSON, as type: Interface.DataType) {
    switch (type, value.value) {
    case (.nullable, .null), (.bool, .bool), (.int, .integer), (.float, .integer),
      (.float, .real), (.string, .string), (.object, .object):
      break
    case (.nullable(let type), _):
      check(value, as: type)
    case (.named(let name), _):
      guard let named = interface.type(named: name) else {
        return report("\(name.quoted) is not a type of \(interface.name)")
      }
      check(value, as: named.type)
    case (.enumeration(let names), .string(let string)):
      if !names.contains(where: { $0.isIdentical(to: string) }) {
        report("\(string.quoted) is not one of \(names.joined(separator: ", "))")
      }
    case (.array(let type), .array(let elements)):
      for (index, element) in elements.enumerated() {
        check(element, as: type, at: .index(index))
      }
    case (.map(let type), .object(let members)):
      for member in members { check(member.value, as: type, at: .member(member.name)) }
    case (.structure(let fields), .object(let members)):
      check(members, as: fields)
    default:
      report("expected \(type.kind), found \(value.kind)")
    }
  }

  private mutating func check(_ members: [JSON.Member], as fields: [Interface.Field]) {
    for field in fields {
      if let member = members.first(where: { $0.name.isIdentical(to: field.name) }) {
        check(member.value, as: field.type, at: .member(field.name))
      } else if !field.type.isNullable {
        report("missing", at: .member(field.name))
      }
    }
    for member in members where !fields.contains(where: { $0.name.isIdentical(to: member.name) }) {
      report("not known here", at: .member(member.name))
    }
  }

  private mutating func check(_ value: JSON, as type: Interface.DataType, at step: Step) {
    path.append(step)
    check(value, as: type)
    path.removeLast()
  }

  private mutating func report(_ message: String, at step: Step) {
    path.append(step)
    report(message)
    path.removeLast()
  }

  private mutating func report(_ message: String) {
    guard problems.count < Self.maximumCount else { return }
    var text = ""
    for step in path {
      switch step {
      case .index(let index): text += "[\(index)]"
      case .member(let name):
        text += (text.isEmpty ? "" : ".") + (name.isFieldName ? name.shortened : name.quoted)
      }
    }
    problems.append(Interface.Problem(path: text, message: message))
  }
}

extension Interface.DataType {
  fileprivate var isNullable: Bool { if case .nullable = self { true } else { false } }

  /// The kind of value that the type allows, for messages; in the words of `JSON.kind`.
  fileprivate var kind: String {
    switch self {
    case .bool: "true or false"
    case .int: "an integer"
    case .float: "a number"
    case .string, .enumeration: "a string"
    case .array: "an array"
    case .object, .map, .structure: "an object"
    case .named(let name): name
    case .nullable(let type): type.kind
    }
  }
}
