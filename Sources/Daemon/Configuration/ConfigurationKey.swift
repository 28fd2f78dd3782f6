// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// A part of the configuration whose properties are keys.
nonisolated protocol Configurable: Sendable {
  /// The values if nothing is configured.
  static var standard: Self { get }
}

/// A key of the configuration: how it is read, written and compared, and its documentation.
///
/// The tables of all keys are in ConfigurationKeys.swift.
nonisolated struct ConfigurationKey<Root: Configurable>: Sendable {
  var description: KeyDescription
  /// Reads the key into a property; records a fault if the key is required and missing.
  let read: @Sendable (inout ConfigurationReader, inout Root) -> Void
  /// Its value as a file contains it; nil if it is omitted.
  let json: @Sendable (Root) -> JSON?
  let isEqual: @Sendable (Root, Root) -> Bool
  /// Copies the property's value from the first argument to the second.
  let copy: @Sendable (Root, inout Root) -> Void

  var name: String { description.name }
  var effect: Effect { description.effect }
}

nonisolated extension ConfigurationKey {
  /// A key that always has a value: its property's default is the key's.
  init<Value>(
    _ path: any WritableKeyPath<Root, Value> & Sendable, _ name: String, _ type: ValueType<Value>,
    _ presence: Presence = .optional(nil), effect: Effect = .nextAttach, isForRoot: Bool = false,
    in section: Section, examples: [JSON] = [], _ text: String, details: String? = nil
  ) {
    var presence = presence
    // The property of a required key has no default, only an initial value.
    if case .optional(nil) = presence {
      presence = .optional(type.shown(Root.standard[keyPath: path]).map { .value($0) })
    }
    description = KeyDescription(
      name: name, type: type.description, presence: presence, effect: effect, isForRoot: isForRoot,
      section: section, examples: examples, text: text, details: details)
    let needed = presence.needed
    read = { reader, root in
      if let value = type.read(&reader, name) { root[keyPath: path] = value }
      if let needed { reader.missing(name, needed) }
    }
    json = { type.json($0[keyPath: path]) }
    isEqual = { $0[keyPath: path] == $1[keyPath: path] }
    copy = { $1[keyPath: path] = $0[keyPath: path] }
  }

  /// A key without a default: its property is nil if it is absent.
  init<Value>(
    optional path: any WritableKeyPath<Root, Value?> & Sendable, _ name: String,
    _ type: ValueType<Value>, absent: KeyDescription.Default, effect: Effect = .nextAttach,
    isForRoot: Bool = false, in section: Section, examples: [JSON] = [], _ text: String,
    details: String? = nil
  ) {
    description = KeyDescription(
      name: name, type: type.description, presence: .optional(absent), effect: effect,
      isForRoot: isForRoot, section: section, examples: examples, text: text, details: details)
    read = { reader, root in
      if let value = type.read(&reader, name) { root[keyPath: path] = value }
    }
    json = { $0[keyPath: path].flatMap(type.json) }
    isEqual = { $0[keyPath: path] == $1[keyPath: path] }
    copy = { $1[keyPath: path] = $0[keyPath: path] }
  }

  /// Returns the same key for a configuration that contains a `Root`.
  func of<Whole>(_ part: any WritableKeyPath<Whole, Root> & Sendable) -> ConfigurationKey<Whole> {
    ConfigurationKey<Whole>(
      description: description,
      read: { [read] reader, whole in read(&reader, &whole[keyPath: part]) },
      json: { [json] in json($0[keyPath: part]) },
      isEqual: { [isEqual] in isEqual($0[keyPath: part], $1[keyPath: part]) },
      copy: { [copy] in copy($0[keyPath: part], &$1[keyPath: part]) })
  }

  typealias Presence = KeyDescription.Presence
  typealias Effect = KeyDescription.Effect
  typealias Section = KeyDescription.Section
}

/// What the documents and schemas say about a key.
nonisolated struct KeyDescription: Sendable {
  var name: String
  var type: ValueDescription
  var presence: Presence
  var effect: Effect
  /// nbdd acts on it as root, so only root may give it in an Attach.
  var isForRoot: Bool
  var section: Section
  var examples: [JSON]
  /// Its meaning, with literals in backquotes, such as `relay`.
  var text: String
  /// What only the configuration manual contains, in Markdown.
  var details: String?

  /// Whether a key may be omitted.
  enum Presence: Sendable {
    case optional(Default?)
    /// It is required; the error for a missing key says that this text was expected.
    case needed(String)
    /// It is required in the context of an Attach; for a file, the file's name gives it.
    case neededInCalls

    var needed: String? { if case .needed(let expected) = self { expected } else { nil } }
  }

  /// The value without the key.
  enum Default: Sendable {
    case value(JSON)
    /// Something that no value of the key can express.
    case words(String)
  }

  /// When a reload applies a change of the key to an attached device.
  ///
  /// On the direct path every change waits for the next attach.
  enum Effect: Sendable, CaseIterable {
    /// It affects only what nbdd does from now on.
    case atOnce
    case nextConnection
    case nextAttach
    /// It is only read when nbdd starts.
    case nextStart
  }

  /// The tables of docs/configuration.md.
  enum Section: Sendable, CaseIterable {
    case daemon, whatAndWhere, connections, timeAndMemory, tls
  }
}
