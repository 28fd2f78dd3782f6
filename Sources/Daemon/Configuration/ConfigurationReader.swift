// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import Varlink

/// Reads the members of a JSON object one by one and records every fault with its place.
///
/// A member that has not been read by `finish` is unknown.
nonisolated struct ConfigurationReader {
  private let file: String
  private let path: String
  private let object: JSON
  private var members: [JSON.Member]
  private var known: [String] = []
  private var given: Set<String> = []
  private var found: [Problem] = []

  /// The faults so far, in the order of the text.
  var problems: [Problem] {
    found.enumerated().sorted {
      let (left, right) = ($0.element.place, $1.element.place)
      return (left?.line ?? 0, left?.column ?? 0, $0.offset)
        < (right?.line ?? 0, right?.column ?? 0, $1.offset)
    }.map(\.element)
  }

  /// Starts with an object; `path` is its place in the file, such as "mount", or empty for the
  /// whole file.
  init(_ object: JSON, file: String, path: String = "") {
    self.file = file
    self.path = path
    self.object = object
    members = object.members ?? []
    if object.members == nil {
      let place = path.isEmpty ? "" : "\(path) is "
      found = [
        Problem(
          file: file, place: object.place, message: "\(place)\(object.kind); expected an object")
      ]
    }
  }

  var isSound: Bool { found.isEmpty }

  mutating func string(_ name: String) -> String? {
    take(name, "a string", \.string)
  }

  /// Reads a string that `meaning` must be able to interpret.
  mutating func string<Value>(
    _ name: String, _ expected: String, _ meaning: (String) -> Value?
  ) -> Value? {
    take(name, expected) { $0.string.flatMap(meaning) }
  }

  mutating func strings(
    _ name: String, _ expected: String, _ meaning: (String) -> String?
  ) -> [String]? {
    guard let list = take(name, "an array of strings", \.array) else { return nil }
    return list.enumerated().compactMap { index, element in
      let value = element.string.flatMap { $0.utf8.count > Self.textLimit ? nil : meaning($0) }
      if value == nil { note("\(name)[\(index)]", element, expected) }
      return value
    }
  }

  mutating func bool(_ name: String) -> Bool? {
    take(name, "true or false", \.bool)
  }

  mutating func integer(_ name: String, _ range: ClosedRange<Int>) -> Int? {
    take(name, "a number from \(range.lowerBound) to \(range.upperBound)") {
      $0.integer.flatMap { range.contains(Int($0)) ? Int($0) : nil }
    }
  }

  mutating func duration(_ name: String, _ range: ClosedRange<Duration>) -> Duration? {
    let limits =
      "from \(Quantities.exactly(range.lowerBound)) to \(Quantities.exactly(range.upperBound))"
    return string(name, "a duration \(limits), as \"30s\" or \"250ms\"") {
      Quantities.duration($0).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  mutating func size(_ name: String, _ range: ClosedRange<Int>) -> Int? {
    let least = range.lowerBound == 0 ? "" : "at least \(range.lowerBound >> 20) MiB and "
    return string(
      name, "a size of \(least)at most \(range.upperBound >> 20) MiB, as \"512KiB\" or \"64MiB\""
    ) {
      Quantities.size($0).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  mutating func object<Value>(_ name: String, _ read: (inout ConfigurationReader) -> Value)
    -> Value?
  {
    guard let member = take(name, "an object", { $0.members == nil ? nil : $0 }) else { return nil }
    var reader = ConfigurationReader(member, file: file, path: qualified(name))
    let value = read(&reader)
    found += reader.found
    return value
  }

  /// Reads the keys of a table into `root`, except those that were read before by their own rules.
  mutating func read<Root>(_ keys: [ConfigurationKey<Root>], into root: inout Root) {
    for key in keys where !known.contains(key.name) { key.read(&self, &root) }
  }

  /// Reads the whole object, which may have only the keys of a table.
  mutating func all<Root>(_ keys: [ConfigurationKey<Root>]) -> Root {
    var root = Root.standard
    read(keys, into: &root)
    finish()
    return root
  }

  /// Reads an NBD URI.
  mutating func uri(_ name: String) -> URI? {
    guard let text = string(name) else { return nil }
    do throws(URIError) {
      return try URI(parsing: text)
    } catch {
      fault(name, error.message + error.question)
      return nil
    }
  }

  /// Records a fault if a required member is absent.
  mutating func missing(_ name: String, _ expected: String) {
    guard !given.contains(name) else { return }
    found.append(
      Problem(
        file: file, place: object.place,
        message: "\(qualified(name)) is missing; expected \(expected)"))
  }

  /// Records a fault in a member's value.
  mutating func fault(_ name: String, _ message: String) {
    found.append(
      Problem(
        file: file, place: object[name]?.place ?? object.place,
        message: "\(qualified(name)): \(message)"))
  }

  /// Records a fault for every member that was not read.
  mutating func finish() {
    for member in members {
      let near = Likeness.closest(to: member.name, among: known)
      let hint =
        near.map { "; did you mean \"\($0)\"?" } ?? "; known are \(known.joined(separator: ", "))"
      found.append(
        Problem(
          file: file, place: member.namePlace,
          message: "unknown key \"\(shown(qualified(member.name)))\"\(hint)"))
    }
    members = []
  }

  // An explicit null counts as absence: that is how Varlink clients omit values.
  private mutating func take<Value>(
    _ name: String, _ expected: String, _ read: (JSON) -> Value?
  ) -> Value? {
    known.append(name)
    guard let index = members.firstIndex(where: { $0.name == name }) else { return nil }
    let value = members.remove(at: index).value
    guard !value.isNull else { return nil }
    given.insert(name)
    guard value.string.map({ $0.utf8.count > Self.textLimit }) != true else {
      note(name, value, "at most \(Self.textLimit) bytes")
      return nil
    }
    let result = read(value)
    if result == nil { note(name, value, expected) }
    return result
  }

  // More than any URI or path needs; comparing longer hostile Unicode would block the daemon.
  private static let textLimit = 16384

  private mutating func note(_ name: String, _ value: JSON, _ expected: String) {
    let text = value.string.map { "\"\(shown($0))\"" } ?? value.kind
    found.append(
      Problem(
        file: file, place: value.place,
        message: "\(qualified(name)) is \(text); expected \(expected)"))
  }

  private func qualified(_ name: String) -> String {
    path.isEmpty ? name : "\(path).\(name)"
  }
}
