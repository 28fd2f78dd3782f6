// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Checks of a chunk by its header alone, before any of its payload is read.
extension ReplyHeader.Chunk {
  /// Returns how a chunk does not fit its request; nil if it fits (T-044 to T-046, T-048,
  /// T-052 to T-055, T-057, T-060, T-070, T-086 to T-088, T-092).
  package func violation(answering request: Request) -> Violation? {
    if let offset, offset != request.offset { return .otherOffset(offset) }
    guard let known = ChunkType(wire: type), suits(known, request) else {
      return .chunkType(type)
    }
    let isLengthRight =
      switch known {
      case .none: length == 0
      case .offsetData: (9...(8 + request.length)).contains(length)
      case .offsetHole: length == 12
      case .blockStatus: length % 8 == 4 && (12...(4 + 8 * Self.mostDescriptors)).contains(length)
      case .blockStatusExtended:
        length % 16 == 8 && (24...(8 + 16 * Self.mostDescriptors)).contains(length)
      case .error: (6...Self.longestError).contains(length)
      case .errorOffset: (14...Self.longestError).contains(length)
      }
    guard isLengthRight else { return .chunkLength(type, length) }
    if known == .none, !isLast { return .endlessNone }
    return nil
  }

  /// The most descriptors in one chunk (T-081).
  private static let mostDescriptors: UInt64 = 1 << 20

  /// More than any error needs; its text is truncated, but has to be read.
  private static let longestError: UInt64 = 65536

  /// Whether a chunk of that type can be a reply to the command at all (T-052, T-088).
  private func suits(_ type: ChunkType, _ request: Request) -> Bool {
    switch type {
    case .offsetData, .offsetHole: request.command == .read
    case .blockStatus: request.command == .blockStatus && offset == nil
    case .blockStatusExtended: request.command == .blockStatus && offset != nil
    case .errorOffset: request.command.hasRange
    case .none, .error: true
    }
  }
}

extension Request {
  /// How many chunks of a reply are accepted: enough for any honest server (T-060).
  package var mostChunks: Int {
    1024 + (command == .read ? Int(min(length, UInt64(UInt32.max)) / 512) : 0)
  }
}
