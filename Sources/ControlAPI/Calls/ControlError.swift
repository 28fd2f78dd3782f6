// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import Varlink

/// An error that nbdd returns: of its interface, or of `org.varlink.service`.
package enum ControlError: Error, Sendable, Equatable {
  case noSuchDevice(NamedDevice)
  case notAttached(NamedDevice)
  case deviceExists(DeviceMessage)
  case onlyRoot(RestrictedKeys)
  case deviceInUse(HeldDevice)
  case attachFailed(FailedAttach)
  case detachFailed(DeviceMessage)
  case timedOut(DeviceMessage)
  case configurationInvalid(Problems)
  case invalidMessage(MessageText)
  case shuttingDown
  /// The caller is not permitted to call the method.
  case permissionDenied
  /// Takes the path of the parameter.
  case invalidParameter(String)
  /// The method needs `more`.
  case expectedMore
  /// Any other, with its full name.
  case other(String, JSON)
}

extension ControlError {
  /// The names of the interface's errors.
  private enum Name: String, CaseIterable {
    case noSuchDevice = "NoSuchDevice"
    case notAttached = "NotAttached"
    case deviceExists = "DeviceExists"
    case onlyRoot = "OnlyRoot"
    case deviceInUse = "DeviceInUse"
    case attachFailed = "AttachFailed"
    case detachFailed = "DetachFailed"
    case timedOut = "TimedOut"
    case configurationInvalid = "ConfigurationInvalid"
    case invalidMessage = "InvalidMessage"
    case shuttingDown = "ShuttingDown"
  }

  /// The reply with which nbdd returns the error.
  package var reply: Reply {
    switch self {
    case .noSuchDevice(let parameters): Self.reply(.noSuchDevice, parameters)
    case .notAttached(let parameters): Self.reply(.notAttached, parameters)
    case .deviceExists(let parameters): Self.reply(.deviceExists, parameters)
    case .onlyRoot(let parameters): Self.reply(.onlyRoot, parameters)
    case .deviceInUse(let parameters): Self.reply(.deviceInUse, parameters)
    case .attachFailed(let parameters): Self.reply(.attachFailed, parameters)
    case .detachFailed(let parameters): Self.reply(.detachFailed, parameters)
    case .timedOut(let parameters): Self.reply(.timedOut, parameters)
    case .configurationInvalid(let parameters): Self.reply(.configurationInvalid, parameters)
    case .invalidMessage(let parameters): Self.reply(.invalidMessage, parameters)
    case .shuttingDown: Self.reply(.shuttingDown, Nothing())
    case .permissionDenied: .permissionDenied
    case .invalidParameter(let path): .invalidParameter(path)
    case .expectedMore: .expectedMore
    case .other(let name, let parameters): Reply(parameters: parameters, error: name)
    }
  }

  private static func reply(_ name: Name, _ parameters: some Structure) -> Reply {
    Reply(parameters: parameters.json, error: "\(ControlInterface.name).\(name.rawValue)")
  }
}

extension ControlError {
  /// Reads the error of a reply; nil if the reply is a success.
  package init?(_ reply: Reply) throws(FieldError) {
    guard let error = reply.error else { return nil }
    let parameters = reply.parameters
    if let name = Self.name(error) {
      self = try Self.decode(name, parameters)
      return
    }
    self =
      switch error {
      case Reply.permissionDenied.error: .permissionDenied
      case Reply.expectedMore.error: .expectedMore
      case Reply.invalidParameter("").error:
        .invalidParameter(try InvalidParameter(decoding: parameters).parameter)
      default: .other(error, parameters)
      }
  }

  private static func name(_ error: String) -> Name? {
    let prefix = "\(ControlInterface.name)."
    return error.hasPrefix(prefix) ? Name(rawValue: String(error.dropFirst(prefix.count))) : nil
  }

  private static func decode(_ name: Name, _ parameters: JSON) throws(FieldError) -> ControlError {
    switch name {
    case .noSuchDevice: .noSuchDevice(try NamedDevice(decoding: parameters))
    case .notAttached: .notAttached(try NamedDevice(decoding: parameters))
    case .deviceExists: .deviceExists(try DeviceMessage(decoding: parameters))
    case .onlyRoot: .onlyRoot(try RestrictedKeys(decoding: parameters))
    case .deviceInUse: .deviceInUse(try HeldDevice(decoding: parameters))
    case .attachFailed: .attachFailed(try FailedAttach(decoding: parameters))
    case .detachFailed: .detachFailed(try DeviceMessage(decoding: parameters))
    case .timedOut: .timedOut(try DeviceMessage(decoding: parameters))
    case .configurationInvalid: .configurationInvalid(try Problems(decoding: parameters))
    case .invalidMessage: .invalidMessage(try MessageText(decoding: parameters))
    case .shuttingDown: .shuttingDown
    }
  }

  /// Reports that there is no device of that name; the name comes from the caller and may be very long.
  package static func noDevice(named name: String) -> ControlError {
    .noSuchDevice(NamedDevice(name: shown(name, limit: 64)))
  }
}

/// The parameters of the error InvalidParameter of `org.varlink.service`.
private struct InvalidParameter: Structure {
  var parameter = ""

  static let fields: [Field<Self>] = [Field("parameter", \.parameter)]
}
