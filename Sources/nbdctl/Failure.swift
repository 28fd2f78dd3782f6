// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Glibc
internal import Transport
internal import Varlink

/// Why a command failed: for people, and as an exit status for scripts.
struct Failure: Error {
  /// Printable, whoever said it.
  let message: String
  let status: Int32

  static let notAttached: Int32 = 3
  static let noSuchDevice: Int32 = 4

  init(_ message: String, _ status: Int32 = 1) {
    self.message = shown(message)
    self.status = status
  }

  /// A failure that takes several lines to tell.
  private init(lines: [String], _ status: Int32) {
    message = lines.map { shown($0) }.joined(separator: "\n")
    self.status = status
  }

  /// An error that nbdd answered.
  init(_ error: String, _ parameters: JSON) {
    let text = { (name: String) in parameters[name]?.string ?? "?" }
    switch error {
    case "org.nbdd.NoSuchDevice":
      self.init(Self.stranger(text("name")), Self.noSuchDevice)
    case "org.nbdd.NotAttached":
      self.init("\(text("name")) is not attached", Self.notAttached)
    case "org.nbdd.DeviceExists", "org.nbdd.DeviceInUse", "org.nbdd.InvalidMessage":
      self.init(text("message"))
    case "org.nbdd.AttachFailed":
      let rest = parameters["retrying"]?.bool == true ? "; nbdd keeps trying" : ""
      let kind = FailureKind(rawValue: text("kind")) ?? .other
      self.init("\(text("name")): \(text("message"))\(rest)", kind.status)
    case "org.nbdd.DetachFailed": self.init("\(text("name")): \(text("message"))")
    case "org.nbdd.TimedOut": self.init("\(text("name")): \(text("message"))", EX_TEMPFAIL)
    case "org.nbdd.ConfigurationInvalid":
      let list = parameters["problems"]?.array ?? []
      // The context of a call has no lines that its giver has seen.
      let isCall = list.allSatisfy { $0["file"]?.string == "context" }
      if isCall {
        let messages = list.compactMap { $0["message"]?.string }
        self.init(messages.joined(separator: "; "), EX_USAGE)
      } else {
        self.init(
          lines: ["faults in the configuration, nothing was changed:"] + list.map(Self.line),
          EX_CONFIG)
      }
    case "org.nbdd.OnlyRoot": self.init(text("message"), EX_NOPERM)
    case "org.nbdd.ShuttingDown": self.init("nbdd is stopping", EX_TEMPFAIL)
    case "org.varlink.service.PermissionDenied":
      self.init("only root and members of the socket's group may do that", EX_NOPERM)
    case "org.varlink.service.InvalidParameter":
      self.init("nbdd does not take this value of \(text("parameter"))", EX_USAGE)
    default: self.init("nbdd answered \(error) \(parameters.text)", EX_SOFTWARE)
    }
  }

  /// What is known of a device that is not nbdd's.
  private static func stranger(_ name: String) -> String {
    guard name.hasPrefix("/dev/"), let index = Sysfs.index(of: name) else {
      return "there is no device \(name)"
    }
    let owner = Holders.attacher(of: index).map { "; it is \($0)" } ?? ""
    return "\(name) is not attached by nbdd\(owner)"
  }

  private static func line(_ problem: JSON) -> String {
    let place = ["line", "column"].compactMap { problem[$0]?.integer.map { ":\($0)" } }.joined()
    return "\(problem["file"]?.string ?? "?")\(place): \(problem["message"]?.string ?? "?")"
  }
}
