// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Varlink

/// A choice of names, in the order of the interface.
package protocol Enumeration: InterfaceValue, CaseIterable, RawRepresentable<String> {
  /// The name of the type in the interface; nil for a choice that is defined inline.
  static var typeName: String? { get }
}

extension Enumeration {
  package static var typeName: String? { nil }

  /// The definition of the type.
  package static var definition: Interface.DataType { .enumeration(allCases.map(\.rawValue)) }

  package static var dataType: Interface.DataType { typeName.map { .named($0) } ?? definition }
  package var encoded: JSON? { JSON(rawValue) }

  package init(decoding json: JSON?) throws(FieldError) {
    guard let value = json?.string.flatMap(Self.init(rawValue:)) else {
      let names = Self.allCases.map(\.rawValue).joined(separator: ", ")
      throw FieldError(expected: "one of \(names)", json)
    }
    self = value
  }
}
