// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The options that a client can send before the transmission begins (proto.md, *Option types*).
package enum NegotiationOption: UInt32, Sendable, CaseIterable {
  /// `NBD_OPT_EXPORT_NAME`.
  case exportName = 1
  /// `NBD_OPT_ABORT`.
  case abort = 2
  /// `NBD_OPT_LIST`.
  case list = 3
  /// `NBD_OPT_STARTTLS`.
  case startTLS = 5
  /// `NBD_OPT_INFO`.
  case info = 6
  /// `NBD_OPT_GO`.
  case go = 7
  /// `NBD_OPT_STRUCTURED_REPLY`.
  case structuredReply = 8
  /// `NBD_OPT_LIST_META_CONTEXT`.
  case listMetaContext = 9
  /// `NBD_OPT_SET_META_CONTEXT`.
  case setMetaContext = 10
  /// `NBD_OPT_EXTENDED_HEADERS`.
  case extendedHeaders = 11

  /// The protocol's name for it, without the common prefix.
  package var name: String {
    switch self {
    case .exportName: "EXPORT_NAME"
    case .abort: "ABORT"
    case .list: "LIST"
    case .startTLS: "STARTTLS"
    case .info: "INFO"
    case .go: "GO"
    case .structuredReply: "STRUCTURED_REPLY"
    case .listMetaContext: "LIST_META_CONTEXT"
    case .setMetaContext: "SET_META_CONTEXT"
    case .extendedHeaders: "EXTENDED_HEADERS"
    }
  }

  /// An option from the wire: number and name, or that it is unknown (N-186).
  static func description(of number: UInt32) -> String {
    guard let option = NegotiationOption(rawValue: number) else {
      return "the unknown option \(hexadecimal(number))"
    }
    return "option \(number) (\(option.name))"
  }
}

/// A server's reply to an option that is not an error (proto.md, *Option reply types*).
package enum ReplyType: UInt32, Sendable, CaseIterable {
  /// `NBD_REP_ACK`.
  case acknowledgement = 1
  /// `NBD_REP_SERVER`.
  case server = 2
  /// `NBD_REP_INFO`.
  case information = 3
  /// `NBD_REP_META_CONTEXT`.
  case metaContext = 4

  /// The protocol's name for it, without the common prefix.
  package var name: String {
    switch self {
    case .acknowledgement: "ACK"
    case .server: "SERVER"
    case .information: "INFO"
    case .metaContext: "META_CONTEXT"
    }
  }

  /// A reply type from the wire: number and name, or that it is unknown (N-186).
  static func description(of number: UInt32) -> String {
    if let error = OptionError(rawValue: number) { return error.name }
    guard let type = ReplyType(rawValue: number) else {
      return "the unknown reply type \(hexadecimal(number))"
    }
    return "reply type \(number) (\(type.name))"
  }
}

/// The type of one item of information about an export (proto.md, *Information types*).
package enum InformationType: UInt16, Sendable, CaseIterable {
  /// `NBD_INFO_EXPORT`.
  case export = 0
  /// `NBD_INFO_NAME`.
  case name = 1
  /// `NBD_INFO_DESCRIPTION`.
  case description = 2
  /// `NBD_INFO_BLOCK_SIZE`.
  case blockSize = 3

  /// The protocol's name for it, without the common prefix.
  package var name: String {
    switch self {
    case .export: "EXPORT"
    case .name: "NAME"
    case .description: "DESCRIPTION"
    case .blockSize: "BLOCK_SIZE"
    }
  }
}
