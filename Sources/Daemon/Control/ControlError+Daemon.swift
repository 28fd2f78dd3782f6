// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Varlink

extension ControlError {
  /// Reports that the device is not attached.
  @MainActor static func notAttached(_ device: Device) -> ControlError {
    .notAttached(NamedDevice(name: device.name))
  }

  /// Reports faults in the configuration, or in a context.
  static func invalid(_ problems: [Problem]) -> ControlError {
    .configurationInvalid(Problems(problems.map(\.report)))
  }
}

extension Problem {
  /// The interface's `Problem`.
  fileprivate var report: ConfigurationProblem {
    var report = ConfigurationProblem()
    report.file = file
    report.line = place.map { Int64($0.line) }
    report.column = place.map { Int64($0.column) }
    report.message = message
    return report
  }
}
