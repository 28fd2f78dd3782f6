// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a request failed.
package struct TransmissionError: Error, Sendable, Equatable {
  /// The request that failed.
  package var request: Request
  /// The reason.
  package var reason: Reason

  package init(_ request: Request, _ reason: Reason) {
    self.request = request
    self.reason = reason
  }

  /// Whether the connection ended with it, and every request in flight failed (T-099).
  package var endsConnection: Bool {
    switch reason {
    case .notSent, .failed, .uncovered, .statusMissing, .noProgress: false
    case .violation, .receiving, .sending, .closed, .abandoned: true
    }
  }

  /// Whether it is unknown if the server has executed the request (T-013, T-099).
  package var isOutcomeUnknown: Bool { endsConnection && request.command.changesData }

  /// What arrived, or did not arrive, instead of a successful reply.
  package enum Reason: Error, Sendable, Equatable {
    /// The request was not sent.
    case notSent(RequestFlaw)
    /// The server returned an error.
    case failed(ServerFailure)
    /// The server omitted that many bytes of a read.
    case uncovered(UInt64)
    /// The server omitted the status of a metadata context.
    case statusMissing(String)
    /// The server replies in pieces so small that the request would never complete.
    case noProgress

    /// The server violated the protocol.
    case violation(Violation)
    /// The stream failed while this was awaited.
    case receiving(StreamError, awaiting: String)
    /// The stream failed while a request was sent.
    case sending(StreamError)
    /// The server closed the connection in order, between two messages (T-022).
    case closed
    /// Our own side disconnected (T-096).
    case abandoned
  }
}

/// An error that a server returned for a request.
package struct ServerFailure: Sendable, Equatable {
  /// What the server's number means.
  package var number: ErrorNumber
  /// The server's number, known or not.
  package var code: UInt32
  /// What the server said about it, safe to display (T-055).
  package var text: String?
  /// The offset of the first byte that failed, if the server reported it (T-057).
  package var offset: UInt64?

  package init(code: UInt32, text: String? = nil, offset: UInt64? = nil) {
    number = ErrorNumber(wire: code)
    self.code = code
    self.text = text
    self.offset = offset
  }
}

/// How a server violated the protocol, after which nothing it sends can be trusted (T-098).
package enum Violation: Sendable, Equatable {
  /// No reply of the negotiated style starts like this.
  case magic(UInt32, ReplyStyle)
  /// The reply is for a request that is not in flight.
  case unknownCookie(Cookie)
  /// A simple reply reports success where chunks are required.
  case simpleReply
  /// A chunk of this type does not fit the command, or the type is unknown.
  case chunkType(UInt16)
  /// The length does not fit a chunk of this type.
  case chunkLength(UInt16, UInt64)
  /// An empty chunk that does not end its reply.
  case endlessNone
  /// The offset in a chunk differs from that of the request.
  case otherOffset(UInt64)
  /// More chunks than any reply needs.
  case tooManyChunks(limit: Int)
  /// Data or a hole is not wholly inside the requested range.
  case outOfRange(offset: UInt64, length: UInt64)
  /// Data or a hole overlaps what arrived before.
  case overlap(offset: UInt64, length: UInt64)
  /// More than one piece where one was requested.
  case fragmented
  /// The text of an error is longer than its chunk.
  case errorText(UInt16, chunk: UInt64)
  /// An error is for an offset outside the request.
  case errorOffset(UInt64)
  /// A status is for a context that was not negotiated or not requested.
  case unknownContext(UInt32)
  /// A second status for one context.
  case repeatedContext(UInt32)
  /// A status claims that many extents in that many bytes.
  case descriptorCount(UInt32, UInt64)
  /// An extent is empty.
  case emptyExtent
}
