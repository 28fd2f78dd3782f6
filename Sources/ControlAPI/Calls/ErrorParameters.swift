// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base

/// The parameters of the errors NoSuchDevice and NotAttached.
package struct NamedDevice: Structure {
  package var name = ""

  package static let fields: [Field<Self>] = [Field("name", \.name)]

  package init() {}
  package init(name: String) { self.name = name }
}

/// The parameters of the errors DeviceExists, DetachFailed and TimedOut.
package struct DeviceMessage: Structure {
  package var name = ""
  package var message = ""

  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("message", \.message),
  ]

  package init() {}
  package init(name: String, message: String) {
    self.name = name
    self.message = message
  }
}

/// The parameters of the error OnlyRoot.
package struct RestrictedKeys: Structure {
  package var keys: [String] = []
  package var message = ""

  package static let fields: [Field<Self>] = [
    Field("keys", \.keys),
    Field("message", \.message),
  ]

  package init() {}
  package init(keys: [String], message: String) {
    self.keys = keys
    self.message = message
  }
}

/// The parameters of the error DeviceInUse.
package struct HeldDevice: Structure {
  package var device = ""
  package var holders: [String] = []
  package var message = ""

  package static let fields: [Field<Self>] = [
    Field("device", \.device),
    Field("holders", \.holders),
    Field("message", \.message),
  ]

  package init() {}
  package init(device: String, holders: [String], message: String) {
    self.device = device
    self.holders = holders
    self.message = message
  }
}

/// The parameters of the error AttachFailed.
package struct FailedAttach: Structure {
  package var name = ""
  package var stage = FailureStage.kernel
  package var kind = FailureKind.other
  package var message = ""
  /// nbdd keeps retrying.
  package var retrying = false

  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("stage", \.stage),
    Field("kind", \.kind),
    Field("message", \.message),
    Field("retrying", \.retrying),
  ]

  package init() {}
  package init(name: String, _ failure: FailureReport, retrying: Bool) {
    self.name = name
    stage = failure.stage
    kind = failure.kind
    message = failure.message
    self.retrying = retrying
  }
}

/// The parameters of the error ConfigurationInvalid.
package struct Problems: Structure {
  package var problems: [ConfigurationProblem] = []

  package static let fields: [Field<Self>] = [Field("problems", \.problems)]

  package init() {}
  package init(_ problems: [ConfigurationProblem]) { self.problems = problems }
}

/// The parameters of the error InvalidMessage.
package struct MessageText: Structure {
  package var message = ""

  package static let fields: [Field<Self>] = [Field("message", \.message)]

  package init() {}
  package init(message: String) { self.message = message }
}
