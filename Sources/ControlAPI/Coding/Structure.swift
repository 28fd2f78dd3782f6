// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Varlink

/// An object of the interface: a type, or the parameters of a call, a reply or an error.
///
/// The list of its fields is the only place that contains their names: it encodes and decodes the object,
/// and a test compares it with the interface's text.
package protocol Structure: InterfaceValue {
  /// The name of the type in the interface; nil for parameters.
  static var typeName: String? { get }

  /// The fields in the order of the interface, which is also the order of encoding.
  static var fields: [Field<Self>] { get }

  /// Makes an object to fill in.
  init()
}

/// A field of an object: its name in the interface, and the property that stores it.
package struct Field<Root: Sendable>: Sendable {
  package let name: String
  package let type: Interface.DataType
  fileprivate let encode: @Sendable (Root) -> JSON?
  fileprivate let decode: @Sendable (inout Root, JSON?) throws(FieldError) -> Void

  /// Stores the field `name` in the property at `property`.
  package init<Value: InterfaceValue>(
    _ name: String, _ property: any WritableKeyPath<Root, Value> & Sendable
  ) {
    self.name = name
    type = Value.dataType
    encode = { root in root[keyPath: property].encoded }
    decode = { (root: inout Root, json: JSON?) throws(FieldError) in
      do throws(FieldError) {
        root[keyPath: property] = try Value(decoding: json)
      } catch {
        throw error.inside(name)
      }
    }
  }
}

extension Structure {
  package static var typeName: String? { nil }

  package static var dataType: Interface.DataType { typeName.map { .named($0) } ?? .object }
  package var encoded: JSON? { json }

  /// The object as JSON, without the fields that are nil.
  package var json: JSON {
    JSON(
      .object(
        Self.fields.compactMap { field in
          field.encode(self).map { JSON.Member(name: field.name, value: $0) }
        }))
  }

  /// Decodes an object; members that are not fields are ignored.
  ///
  /// A field that is missing in one of the interface's types keeps its initial value: after an upgrade, the
  /// nbdd that is still running may not know the field yet.
  package init(decoding json: JSON?) throws(FieldError) {
    guard let json, let members = json.members else {
      throw FieldError(expected: "an object", json)
    }
    self.init()
    var next = 0
    for field in Self.fields {
      // Members usually are in the order of the fields, which saves the search.
      let isNext = next < members.count && members[next].name == field.name
      let value = isNext ? members[next].value : json[field.name]
      if value != nil || Self.typeName == nil { try field.decode(&self, value) }
      if isNext { next += 1 }
    }
  }
}
