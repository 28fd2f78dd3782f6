// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Varlink

/// The input is a device's file.
func check(_ input: [UInt8]) {
  guard let object = try? JSON(parsing: input, dialect: .json5) else { return }
  let configuration = read(object, name: nil)
  _ = read(object, name: "disk")
  guard let configuration else { return }
  guard let written = try? JSON(parsing: Array(configuration.json.text.utf8), dialect: .strict)
  else {
    preconditionFailure("a context that cannot be read again")
  }
  precondition(read(written, name: nil) == configuration, "written as another context")
}

/// A configuration, or at least one fault.
private func read(_ object: JSON, name: String?) -> DeviceConfiguration? {
  var fields = ConfigurationReader(object, file: "disk.json")
  let configuration = DeviceConfiguration(
    &fields, name: name, defaults: DeviceConfiguration.Settings())
  precondition((configuration == nil) != fields.problems.isEmpty, "neither a context nor a fault")
  for problem in fields.problems {
    precondition(problem.description.utf8.count < 65536, "a fault that fills the journal")
  }
  return configuration
}
