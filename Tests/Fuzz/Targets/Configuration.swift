// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Varlink

/// The input is a device's file.
func check(_ input: [UInt8]) {
  guard let object = try? JSON(parsing: input, dialect: .json5) else { return }
  let context = read(object, name: nil)
  _ = read(object, name: "disk")
  guard let context else { return }
  guard let written = try? JSON(parsing: Array(context.json.text.utf8), dialect: .strict) else {
    preconditionFailure("a context that cannot be read again")
  }
  precondition(read(written, name: nil) == context, "written as another context")
}

/// A context, or at least one fault.
private func read(_ object: JSON, name: String?) -> Context? {
  var fields = Fields(object, file: "disk.json")
  let context = Context(&fields, name: name, defaults: Context.Settings())
  precondition((context == nil) != fields.problems.isEmpty, "neither a context nor a fault")
  for problem in fields.problems {
    precondition(problem.description.utf8.count < 65536, "a fault that fills the journal")
  }
  return context
}
