// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Glibc
internal import Varlink

/// Why a command failed: for people, and as an exit status for scripts.
struct Failure: Error {
  /// Printable, wherever it comes from.
  let message: String
  let status: Int32

  static let notAttached: Int32 = 3
  static let noSuchDevice: Int32 = 4

  init(_ message: String, _ status: Int32 = 1) {
    self.message = shown(message)
    self.status = status
  }

  /// A failure that is reported in several lines.
  private init(lines: [String], _ status: Int32) {
    message = lines.map { shown($0) }.joined(separator: "\n")
    self.status = status
  }

  /// An error that nbdd returned.
  init(_ error: ControlError) {
    switch error {
    case .noSuchDevice(let device): self.init(Self.stranger(device.name), Self.noSuchDevice)
    case .notAttached(let device): self.init("\(device.name) is not attached", Self.notAttached)
    case .deviceExists(let failure): self.init(failure.message)
    case .deviceInUse(let device): self.init(device.message)
    case .invalidMessage(let text): self.init(text.message)
    case .attachFailed(let failure):
      let rest = failure.retrying ? "; nbdd keeps trying" : ""
      self.init("\(failure.name): \(failure.message)\(rest)", failure.kind.status)
    case .detachFailed(let failure): self.init("\(failure.name): \(failure.message)")
    case .timedOut(let failure): self.init("\(failure.name): \(failure.message)", EX_TEMPFAIL)
    case .configurationInvalid(let problems): self.init(problems.problems)
    case .onlyRoot(let keys): self.init(keys.message, EX_NOPERM)
    case .shuttingDown: self.init("nbdd is stopping", EX_TEMPFAIL)
    case .permissionDenied:
      self.init("only root and members of the socket's group may do that", EX_NOPERM)
    case .invalidParameter(let path): self.init("invalid value for \(path)", EX_USAGE)
    case .expectedMore: self.init("nbdd expects a call with more replies", EX_SOFTWARE)
    case .other(let name, let parameters):
      self.init("nbdd returned \(name) \(parameters.text)", EX_SOFTWARE)
    }
  }

  private init(_ problems: [ConfigurationProblem]) {
    // The context of a call has no lines that the user has seen.
    if problems.allSatisfy({ $0.file == ConfigurationProblem.contextFile }) {
      self.init(problems.map(\.message).joined(separator: "; "), EX_USAGE)
    } else {
      self.init(
        lines: ["errors in the configuration, nothing was changed:"] + problems.map(Self.line),
        EX_CONFIG)
    }
  }

  /// Returns a message about a device that nbdd does not have.
  private static func stranger(_ name: String) -> String {
    guard name.hasPrefix("/dev/"), let index = Sysfs.index(of: name) else {
      return "there is no device \(name)"
    }
    let owner = Holders.attacher(of: index).map { "; it is \($0)" } ?? ""
    return "\(name) is not attached by nbdd\(owner)"
  }

  private static func line(_ problem: ConfigurationProblem) -> String {
    let place = [problem.line, problem.column].compactMap(\.self).map { ":\($0)" }.joined()
    return "\(problem.file)\(place): \(problem.message)"
  }
}
