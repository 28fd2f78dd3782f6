// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The start of a reply, or of a chunk of one (proto.md, *Simple reply message*, *Structured reply
/// chunk message*; the extension *Extended headers*).
///
/// It is read in place, without an allocation: four bytes, then as many as those imply.
package struct ReplyHeader: Sendable, Equatable {
  /// The cookie of the request.
  package var cookie: Cookie
  /// What kind of reply it is.
  package var form: Form

  /// The kinds of replies.
  package enum Form: Sendable, Equatable {
    /// A whole reply, except for the data of a successful read; 0 means no error.
    case simple(error: UInt32)
    /// A part of a reply.
    case chunk(Chunk)
  }

  /// A part of a reply, whose payload follows.
  package struct Chunk: Sendable, Equatable {
    /// `NBD_REPLY_FLAG_DONE`: the reply ends with it, whatever its type (T-043).
    ///
    /// Other flags are ignored (T-042).
    package var isLast: Bool
    /// The type of the payload.
    package var type: UInt16
    /// The offset of the request, which only extended headers contain.
    package var offset: UInt64?
    /// How many bytes of payload follow.
    package var length: UInt64
  }

  /// The number of bytes that determine the kind of reply.
  package static let magicByteCount = 4

  /// How many more bytes the header has; nil if no reply may start like this (T-020, T-021, T-031,
  /// T-085).
  package static func byteCount(after magic: UInt32, _ style: ReplyStyle) -> Int? {
    switch (magic, style) {
    case (simpleMagic, .simple), (simpleMagic, .structured): 12
    case (structuredMagic, .structured): 16
    case (extendedMagic, .extended): 28
    default: nil
    }
  }

  /// Reads what follows a known magic (T-024, T-040).
  package init(magic: UInt32, _ bytes: Span<UInt8>) {
    cookie = bytes.number(at: 4)
    guard magic != ReplyHeader.simpleMagic else {
      form = .simple(error: bytes.number(at: 0))
      return
    }
    let flags: UInt16 = bytes.number(at: 0)
    var chunk = Chunk(isLast: flags & 1 != 0, type: bytes.number(at: 2), offset: nil, length: 0)
    if magic == ReplyHeader.extendedMagic {
      chunk.offset = bytes.number(at: 12)
      chunk.length = bytes.number(at: 20)
    } else {
      let length: UInt32 = bytes.number(at: 12)
      chunk.length = UInt64(length)
    }
    form = .chunk(chunk)
  }

  fileprivate static let simpleMagic: UInt32 = 0x6744_6698
  private static let structuredMagic: UInt32 = 0x668e_33ef
  private static let extendedMagic: UInt32 = 0x6e8a_278c
}

/// What a chunk carries (proto.md, *Structured reply types*).
package enum ChunkType: UInt16, Sendable, CaseIterable {
  /// `NBD_REPLY_TYPE_NONE`.
  case none = 0
  /// `NBD_REPLY_TYPE_OFFSET_DATA`.
  case offsetData = 1
  /// `NBD_REPLY_TYPE_OFFSET_HOLE`.
  case offsetHole = 2
  /// `NBD_REPLY_TYPE_BLOCK_STATUS`.
  case blockStatus = 5
  /// `NBD_REPLY_TYPE_BLOCK_STATUS_EXT`.
  case blockStatusExtended = 6
  /// `NBD_REPLY_TYPE_ERROR`.
  case error = 0x8001
  /// `NBD_REPLY_TYPE_ERROR_OFFSET`.
  case errorOffset = 0x8002

  /// Decodes a type from the wire; an unknown one is an error if it is marked as one (T-053, T-054).
  package init?(wire number: UInt16) {
    if let known = ChunkType(rawValue: number) {
      self = known
    } else if number & 0x8000 != 0 {
      self = .error
    } else {
      return nil
    }
  }
}

/// A simple reply as it crosses the wire, without its data (proto.md, *Simple reply message*).
///
/// For the side that replies to requests; it is written in place, without an allocation.
package struct SimpleReply: Sendable, Equatable {
  /// 0 means no error.
  package var error: UInt32
  package var cookie: Cookie

  package init(error: UInt32, cookie: Cookie) {
    self.error = error
    self.cookie = cookie
  }

  package static let byteCount = 16

  package func write(into bytes: inout MutableSpan<UInt8>) {
    bytes.set(ReplyHeader.simpleMagic, at: 0)
    bytes.set(error, at: 4)
    bytes.set(cookie, at: 8)
  }
}
