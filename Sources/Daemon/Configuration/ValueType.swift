// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import NBD
internal import Varlink

/// The values that a key can have: how they are read and written.
nonisolated struct ValueType<Value: Equatable & Sendable>: Sendable {
  var description: ValueDescription
  /// Reads the member with a name; nil if it is absent or, with a fault recorded, not such a value.
  let read: @Sendable (inout ConfigurationReader, String) -> Value?
  /// The value as the control interface contains it; nil if it is omitted.
  let json: @Sendable (Value) -> JSON?
  /// The value as a user would write it.
  var shown: @Sendable (Value) -> JSON?

  init(
    _ description: ValueDescription,
    read: @escaping @Sendable (inout ConfigurationReader, String) -> Value?,
    json: @escaping @Sendable (Value) -> JSON?
  ) {
    self.description = description
    self.read = read
    self.json = json
    shown = json
  }
}

/// What the documents and schemas say about the values of a key.
nonisolated struct ValueDescription: Sendable {
  /// For people, such as "duration".
  var name: String
  /// The type in the control interface, such as "string".
  var interface: String
  /// What a JSON Schema requires.
  var schema: [JSON.Member]
  /// The lowest and the highest value, for people.
  var range: (low: String, high: String)?
  /// The keys of an object.
  var members: [KeyDescription] = []

  init(
    _ name: String, interface: String, _ schema: KeyValuePairs<String, JSON>,
    range: (String, String)? = nil, members: [KeyDescription] = []
  ) {
    self.name = name
    self.interface = interface
    self.schema = schema.map { JSON.Member(name: $0, value: $1) }
    self.range = range
    self.members = members
  }
}

nonisolated extension ValueType<Bool> {
  static var bool: Self {
    Self(
      ValueDescription("boolean", interface: "bool", ["type": "boolean"]),
      read: { $0.bool($1) }, json: { JSON($0) })
  }
}

nonisolated extension ValueType<Int> {
  static func integer(_ range: ClosedRange<Int>) -> Self {
    Self(
      ValueDescription(
        "integer", interface: "int",
        ["type": "integer", "minimum": JSON(range.lowerBound), "maximum": JSON(range.upperBound)],
        range: ("\(range.lowerBound)", "\(range.upperBound)")),
      read: { $0.integer($1, range) }, json: { JSON($0) })
  }

  /// A number of bytes.
  static func size(_ range: ClosedRange<Int>) -> Self {
    var type = Self(
      ValueDescription(
        "size", interface: "string", ["$ref": "#/$defs/size"],
        range: (words(range.lowerBound, " "), words(range.upperBound, " "))),
      read: { $0.size($1, range) }, json: { JSON("\($0)B") })
    type.shown = { JSON(words($0)) }
    return type
  }

  private static func words(_ size: Int, _ separator: String = "") -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
    let unit = units.first { size > 0 && size % (1 << $0.0) == 0 } ?? (0, "B")
    return size == 0 ? "0" : "\(size >> unit.0)\(separator)\(unit.1)"
  }

  /// The index of a kernel device, written as the path of its node.
  static var device: Self {
    Self(
      ValueDescription(
        "string", interface: "string",
        ["type": "string", "pattern": "^(/dev/)?nbd(0|[1-9][0-9]{0,4})$"]),
      read: { $0.string($1, "\"/dev/nbd0\" or \"nbd0\"") { Sysfs.index(of: $0) } },
      json: { JSON(DeviceNode.path($0)) })
  }
}

nonisolated extension ValueType<Duration> {
  static func duration(_ range: ClosedRange<Duration>) -> Self {
    Self(
      ValueDescription(
        "duration", interface: "string", ["$ref": "#/$defs/duration"],
        range: (words(range.lowerBound), words(range.upperBound))),
      read: { $0.duration($1, range) },
      json: { duration in
        let whole = duration.milliseconds
        return JSON(whole % 1000 == 0 ? "\(whole / 1000)s" : "\(whole)ms")
      })
  }

  private static func words(_ limit: Duration) -> String {
    let hours = limit.milliseconds / 3_600_000
    return limit != .seconds(3600) * hours || hours == 0
      ? Quantities.exactly(limit) : hours == 365 * 24 ? "1 year" : "\(hours) h"
  }
}

nonisolated extension ValueType<String> {
  /// Any text, or text that `accept` accepts.
  static func text(
    _ expected: String = "a string", pattern: String? = nil,
    accept: @escaping @Sendable (String) -> Bool = { _ in true }
  ) -> Self {
    var description = ValueDescription("string", interface: "string", ["type": "string"])
    if let pattern {
      description.schema.append(JSON.Member(name: "pattern", value: JSON(pattern)))
    }
    return Self(
      description, read: { $0.string($1, expected) { accept($0) ? $0 : nil } }, json: { JSON($0) })
  }

  static var absolutePath: Self {
    text("an absolute path", pattern: "^/") { $0.hasPrefix("/") }
  }
}

nonisolated extension ValueType<[String]> {
  /// Texts that `accept` accepts, which `pattern` describes too.
  static func texts(
    _ expected: String, pattern: String, accept: @escaping @Sendable (String) -> Bool
  ) -> Self {
    var type = Self(
      ValueDescription(
        "array of strings", interface: "[]string",
        ["type": "array", "items": ["type": "string", "pattern": JSON(pattern)]]),
      read: { $0.strings($1, expected) { accept($0) ? $0 : nil } },
      json: { $0.isEmpty ? nil : JSON($0) })
    type.shown = { JSON($0) }
    return type
  }
}

nonisolated extension ValueType<URI> {
  static var uri: Self {
    Self(
      ValueDescription(
        "string", interface: "string",
        ["type": "string", "pattern": #"^nbds?(\+unix|\+vsock)?:"#]),
      read: { $0.uri($1) }, json: { JSON($0.description) })
  }
}

nonisolated extension ValueType
where Value: CaseIterable & RawRepresentable<String>, Value.AllCases: Sendable {
  /// One of several words.
  static var choice: Self {
    let words = Value.allCases.map(\.rawValue)
    let expected = words.map { "\"\($0)\"" }.joined(separator: " or ")
    return Self(
      ValueDescription(
        "string", interface: "(\(words.joined(separator: ", ")))", ["enum": JSON(words)]),
      read: { $0.string($1, expected) { Value(rawValue: $0) } }, json: { JSON($0.rawValue) })
  }
}

nonisolated extension ValueType where Value: Configurable {
  /// An object with keys of its own, called `interface` in the control interface.
  static func object(_ keys: [ConfigurationKey<Value>], interface: String) -> Self {
    var type = Self(
      ValueDescription(
        "object", interface: interface, ["type": "object"], members: keys.map(\.description)),
      read: { reader, name in reader.object(name) { $0.all(keys) } },
      json: { value in .object(keys, of: value) })
    type.shown = { _ in JSON(.object([])) }
    return type
  }
}

nonisolated extension JSON {
  /// Returns an object with the keys of a part of the configuration.
  static func object<Root>(_ keys: [ConfigurationKey<Root>], of root: Root) -> JSON {
    JSON(
      .object(
        keys.compactMap { key in
          key.json(root).map { Member(name: key.name, value: $0) }
        }))
  }
}
