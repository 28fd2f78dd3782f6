// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable import Daemon

/// The keys as properties and fields of the structures in Sources/ControlAPI/Status/DeviceContext.swift.
nonisolated enum KeyStructures {
  static func properties(_ keys: [ConfigurationKey<some Configurable>]) -> String {
    keys.map(\.description).map { key in
      "  package var \(key.name)" + (key.isOptional ? ": \(type(of: key))?" : " = \"\"")
    }.joined(separator: "\n")
  }

  static func fields(_ keys: [ConfigurationKey<some Configurable>]) -> String {
    keys.map { "    Field(\"\($0.name)\", \\.\($0.name))," }.joined(separator: "\n")
  }

  /// The type in Swift; one that is made of words has the name of its key.
  private static func type(of key: KeyDescription) -> String {
    switch key.type.interface {
    case "string": "String"
    case "bool": "Bool"
    case "int": "Int64"
    case "[]string": "[String]"
    case "Mount": "MountContext"
    default:
      key.name == "path" ? "DataPath" : key.name.prefix(1).uppercased() + key.name.dropFirst()
    }
  }
}
