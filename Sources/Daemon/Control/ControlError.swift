// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import Varlink

/// An error of the control interface.
struct ControlError: Error {
  var name: String
  var parameters: JSON

  /// Makes an error; one whose name has no interface is of org.nbdd.
  init(_ name: String, _ parameters: JSON) {
    self.name = name.contains(".") ? name : "org.nbdd.\(name)"
    self.parameters = parameters
  }

  static func invalidParameter(_ path: String) -> ControlError {
    ControlError("org.varlink.service.InvalidParameter", ["parameter": JSON(path)])
  }

  static func noSuchDevice(_ name: String) -> ControlError {
    ControlError("NoSuchDevice", ["name": JSON(shown(name, limit: 64))])
  }

  static func notAttached(_ name: String) -> ControlError {
    ControlError("NotAttached", ["name": JSON(name)])
  }

  static func invalid(_ problems: [Problem]) -> ControlError {
    ControlError(
      "ConfigurationInvalid",
      [
        "problems": JSON(
          .array(
            problems.map { problem in
              .object([
                "file": JSON(problem.file),
                "line": problem.place.map { JSON(Int64($0.line)) },
                "column": problem.place.map { JSON(Int64($0.column)) },
                "message": JSON(problem.message),
              ])
            }))
      ])
  }
}
