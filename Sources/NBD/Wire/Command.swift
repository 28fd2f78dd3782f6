// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The commands that a client can send during the transmission (proto.md, *Request types*).
package enum Command: UInt16, Sendable, CaseIterable {
  /// `NBD_CMD_READ`.
  case read = 0
  /// `NBD_CMD_WRITE`.
  case write = 1
  /// `NBD_CMD_DISC`.
  case disconnect = 2
  /// `NBD_CMD_FLUSH`.
  case flush = 3
  /// `NBD_CMD_TRIM`.
  case trim = 4
  /// `NBD_CMD_CACHE`.
  case cache = 5
  /// `NBD_CMD_WRITE_ZEROES`.
  case writeZeroes = 6
  /// `NBD_CMD_BLOCK_STATUS`.
  case blockStatus = 7
  /// `NBD_CMD_RESIZE`.
  case resize = 8

  /// Its name in a sentence.
  package var name: String {
    switch self {
    case .read: "read"
    case .write: "write"
    case .disconnect: "disconnect"
    case .flush: "flush"
    case .trim: "trim"
    case .cache: "cache"
    case .writeZeroes: "write zeroes"
    case .blockStatus: "block status"
    case .resize: "resize"
    }
  }

  /// Whether it changes the export, so that it matters whether it was executed.
  package var changesData: Bool {
    switch self {
    case .write, .trim, .writeZeroes, .resize: true
    default: false
    }
  }

  /// Whether it applies to a range of the export.
  package var hasRange: Bool {
    switch self {
    case .read, .write, .trim, .cache, .writeZeroes, .blockStatus: true
    case .flush, .disconnect, .resize: false
    }
  }

  /// The transmission flag that it requires, if any (T-008).
  var requirement: TransmissionFlags? {
    switch self {
    case .flush: .sendFlush
    case .trim: .sendTrim
    case .cache: .sendCache
    case .writeZeroes: .sendWriteZeroes
    case .resize: .sendResize
    case .read, .write, .disconnect, .blockStatus: nil
    }
  }
}

/// How a command is to be executed (proto.md, *Command flags*).
package struct CommandFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt16

  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// `NBD_CMD_FLAG_FUA`: reply when it is on stable storage.
  package static let fua = CommandFlags(rawValue: 1 << 0)
  /// `NBD_CMD_FLAG_NO_HOLE`: zeroes keep their space allocated.
  package static let noHole = CommandFlags(rawValue: 1 << 1)
  /// `NBD_CMD_FLAG_DF`: return the data in one piece.
  package static let df = CommandFlags(rawValue: 1 << 2)
  /// `NBD_CMD_FLAG_REQ_ONE`: one extent is enough.
  package static let reqOne = CommandFlags(rawValue: 1 << 3)
  /// `NBD_CMD_FLAG_FAST_ZERO`: fail if this is no faster than a write.
  package static let fastZero = CommandFlags(rawValue: 1 << 4)
  /// `NBD_CMD_FLAG_PAYLOAD_LEN`: the length is that of the payload; the encoding sets it.
  package static let payloadLength = CommandFlags(rawValue: 1 << 5)
}
