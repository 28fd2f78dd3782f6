// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import NBD

/// What `info --is` asks about; the words are those of nbdinfo(1).
enum Attribute: String, CaseIterable, ExpressibleByArgument {
  case readOnly = "read-only"
  case rotational
  case tls

  func holds(for told: Description) -> Bool {
    switch self {
    case .readOnly: told.export.flags.contains(.readOnly)
    case .rotational: told.export.flags.contains(.rotational)
    case .tls: told.isSecure
    }
  }
}

/// What `info --can` asks about; the words are those of nbdinfo(1).
enum Ability: String, CaseIterable, ExpressibleByArgument {
  case cache
  case connect
  case df
  case fastZero = "fast-zero"
  case flush
  case fua
  case multiConn = "multi-conn"
  case read
  case structuredReply = "structured-reply"
  case trim
  case write
  case zero

  func holds(for told: Description) -> Bool {
    let flags = told.export.flags
    return switch self {
    case .connect, .read: true
    case .structuredReply: told.replies != .simple
    case .write: !flags.contains(.readOnly)
    case .cache: flags.contains(.sendCache)
    case .df: flags.contains(.sendDF)
    case .fastZero: flags.contains(.sendFastZero)
    case .flush: flags.contains(.sendFlush)
    case .fua: flags.contains(.sendFUA)
    case .multiConn: flags.contains(.canMultiConn)
    case .trim: flags.contains(.sendTrim)
    case .zero: flags.contains(.sendWriteZeroes)
    }
  }
}
