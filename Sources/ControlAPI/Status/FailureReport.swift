// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base

/// The interface's `Failure`: stage and kind for programs, the message for people.
package struct FailureReport: Structure {
  package var stage = FailureStage.kernel
  package var kind = FailureKind.other
  package var message = ""

  package static let typeName: String? = "Failure"
  package static let fields: [Field<Self>] = [
    Field("stage", \.stage),
    Field("kind", \.kind),
    Field("message", \.message),
  ]

  package init() {}

  /// Reports a failure of that kind at that stage.
  package init(_ stage: FailureStage, _ kind: FailureKind, _ message: String) {
    self.stage = stage
    self.kind = kind
    self.message = message
  }
}

/// The interface's `Stage`: the step at which something failed.
package enum FailureStage: String, Enumeration {
  case resolve, connect, negotiate, kernel, connection, mount, detach

  package static let typeName: String? = "Stage"
}

extension FailureKind: Enumeration {
  package static var typeName: String? { "FailureKind" }
}
