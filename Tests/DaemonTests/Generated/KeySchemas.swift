// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Varlink

@testable import Daemon

/// The JSON Schemas of the configuration files.
nonisolated enum KeySchemas {
  /// The schema of nbdd.json.
  static var daemon: String {
    let keys = Configuration.keys.map(\.description)
    return text(
      title: "nbdd and what holds for all devices", file: "nbdd.json",
      object(keys, definitions: "device.schema.json"))
  }

  /// The schema of a device's file.
  static var device: String {
    let keys = DeviceConfiguration.keys.map(\.description)
    let definitions: JSON = [
      "duration": ["type": "string", "pattern": "^[0-9]+(ms|s|min|h)$"],
      "size": ["type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB)$"],
    ]
    return text(
      title: "A device of nbdd", file: "devices.d/NAME.json",
      object(keys, definitions: "") + [member("$defs", definitions)])
  }

  private static func text(title: String, file: String, _ members: [JSON.Member]) -> String {
    let head: [JSON.Member] = [
      member("$schema", "https://json-schema.org/draft/2020-12/schema"),
      member("title", JSON(title)),
      member(
        "description",
        JSON("\(file); the file itself may have comments and trailing commas (JSON5).")),
    ]
    return JSON(.object(head + members)).indentedText + "\n"
  }

  private static func object(_ keys: [KeyDescription], definitions file: String) -> [JSON.Member] {
    let needed = keys.filter { if case .needed = $0.presence { true } else { false } }.map(\.name)
    return [member("type", "object")]
      + (needed.isEmpty ? [] : [member("required", JSON(needed))])
      + [
        member("additionalProperties", false),
        member(
          "properties",
          JSON(.object(keys.map { member($0.name, schema($0, definitions: file)) }))),
      ]
  }

  private static func schema(_ key: KeyDescription, definitions file: String) -> JSON {
    var description = key.text.withoutBackquotes
    if let range = key.type.range, key.type.name != "integer" {
      description += " From \(range.low) to \(range.high)."
    }
    if let absence = key.absence { description += " If absent: \(absence.withoutBackquotes)." }
    var members = [member("description", JSON(description))]
    members +=
      key.type.members.isEmpty
      ? key.type.schema.map { $0.name == "$ref" ? reference(file + ($0.value.string ?? "")) : $0 }
      : object(of: key, definitions: file)
    if let value = key.defaultValue { members.append(member("default", value)) }
    if !key.examples.isEmpty { members.append(member("examples", JSON(key.examples))) }
    return JSON(.object(members))
  }

  /// Keys that stand in another place too are described there.
  private static func object(of key: KeyDescription, definitions file: String) -> [JSON.Member] {
    guard key.type.members.allSatisfy({ $0.section != key.section }) else {
      return object(key.type.members, definitions: file)
    }
    let properties = key.type.members.map { other in
      member(other.name, JSON(.object([reference("\(file)#/properties/\(other.name)")])))
    }
    return [
      member("type", "object"), member("additionalProperties", false),
      member("properties", JSON(.object(properties))),
    ]
  }

  private static func reference(_ place: String) -> JSON.Member { member("$ref", JSON(place)) }

  private static func member(_ name: String, _ value: JSON) -> JSON.Member {
    JSON.Member(name: name, value: value)
  }
}
