// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Varlink

@testable import Daemon

/// What all documents say about a key.
nonisolated extension KeyDescription {
  /// The default, if a value of the key says it.
  var defaultValue: JSON? {
    if case .optional(.value(let value)) = presence { value } else { nil }
  }

  /// What holds without the key, if no value of it says that.
  var absence: String? {
    if case .optional(.words(let words)) = presence { words } else { nil }
  }

  /// It may be left out.
  var isOptional: Bool { if case .optional = presence { true } else { false } }

  /// The range and the default, in parentheses, after a blank; empty if there is neither.
  var limits: String {
    let range = type.range.map { "\($0.low) to \($0.high)" }
    let value = defaultValue.flatMap { value in
      value.array == [] || value.members != nil ? nil : value.string ?? value.text
    }
    let parts = [range, (value ?? absence).map { "default: \($0)" }].compactMap(\.self)
    return parts.isEmpty ? "" : " (\(parts.joined(separator: "; ")))"
  }

  /// The key, and those of an object that has no table of its own.
  var flattened: [KeyDescription] {
    [self]
      + type.members.filter { $0.section == section }.map { member in
        var member = member
        member.name = "\(name).\(member.name)"
        return member
      }
  }
}

nonisolated extension String {
  var withoutBackquotes: String { filter { $0 != "`" } }

  /// Lines of at most `width` characters, each with something in front.
  func wrapped(_ width: Int, prefix: String = "") -> String {
    var lines: [String] = []
    for word in split(separator: " ") {
      if let last = lines.last, prefix.count + last.count + 1 + word.count <= width {
        lines[lines.count - 1] = "\(last) \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines.map { prefix + $0 }.joined(separator: "\n")
  }
}

nonisolated extension [String] {
  /// As in "a, b and c".
  var listed: String {
    count < 2 ? joined() : dropLast().joined(separator: ", ") + " and " + (last ?? "")
  }
}

/// The keys that a reload may change while a relayed device is attached.
nonisolated let changeableKeys = DeviceConfiguration.keys.filter { $0.effect != .nextAttach }
  .map(\.name)
