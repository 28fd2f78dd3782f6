// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Varlink

/// A value of a type of the interface, which is encoded as JSON and decoded from it.
package protocol InterfaceValue: Sendable, Equatable {
  /// The type in the interface.
  static var dataType: Interface.DataType { get }

  /// The value as JSON; nil if its field is omitted.
  var encoded: JSON? { get }

  /// Decodes the content of a field; nil if the field is missing.
  init(decoding json: JSON?) throws(FieldError)
}

/// Why a message does not fit the interface.
package struct FieldError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Where, for example "devices[2].runtime.state"; empty for the message itself.
  package var path: String

  /// What is wrong there, for example "expected a string, found an integer".
  package var message: String

  /// Reports that `json` is not what was expected there.
  package init(expected: String, _ json: JSON?) {
    path = ""
    message = json.map { "expected \(expected), found \($0.kind)" } ?? "missing"
  }

  /// The same error, relative to the container of the value under `name`, or at `[index]`.
  func inside(_ name: String) -> FieldError {
    var error = self
    let joint = path.isEmpty || path.hasPrefix("[") ? "" : "."
    error.path = name + joint + path
    return error
  }

  package var description: String { path.isEmpty ? message : "\(path): \(message)" }
}

extension String: InterfaceValue {
  package static var dataType: Interface.DataType { .string }
  package var encoded: JSON? { JSON(self) }

  package init(decoding json: JSON?) throws(FieldError) {
    guard let string = json?.string else { throw FieldError(expected: "a string", json) }
    self = string
  }
}

extension Bool: InterfaceValue {
  package static var dataType: Interface.DataType { .bool }
  package var encoded: JSON? { JSON(self) }

  package init(decoding json: JSON?) throws(FieldError) {
    guard let bool = json?.bool else { throw FieldError(expected: "true or false", json) }
    self = bool
  }
}

extension Int64: InterfaceValue {
  package static var dataType: Interface.DataType { .int }
  package var encoded: JSON? { JSON(self) }

  package init(decoding json: JSON?) throws(FieldError) {
    guard let integer = json?.integer else { throw FieldError(expected: "an integer", json) }
    self = integer
  }
}

extension Array: InterfaceValue where Element: InterfaceValue {
  package static var dataType: Interface.DataType { .array(Element.dataType) }
  package var encoded: JSON? { JSON(compactMap(\.encoded)) }

  package init(decoding json: JSON?) throws(FieldError) {
    guard let elements = json?.array else { throw FieldError(expected: "an array", json) }
    self = []
    reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      do throws(FieldError) {
        append(try Element(decoding: element))
      } catch {
        throw error.inside("[\(index)]")
      }
    }
  }
}

extension Optional: InterfaceValue where Wrapped: InterfaceValue {
  package static var dataType: Interface.DataType { .nullable(Wrapped.dataType) }
  package var encoded: JSON? { flatMap(\.encoded) }

  package init(decoding json: JSON?) throws(FieldError) {
    guard let json, !json.isNull else {
      self = nil
      return
    }
    self = try Wrapped(decoding: json)
  }
}
