// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a request failed.
package struct TransmissionError: Error, Sendable, Equatable {
  /// What was asked for.
  package var request: Request
  /// What happened.
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

  /// Whether the server may have done what it was asked for, or not (T-013, T-099).
  package var isOutcomeUnknown: Bool { endsConnection && request.command.changesData }

  /// What came, or did not come, in place of a good reply.
  package enum Reason: Error, Sendable, Equatable {
    /// The request was not sent.
    case notSent(RequestFlaw)
    /// The server failed it.
    case failed(ServerFailure)
    /// The server left out that many bytes of a read.
    case uncovered(UInt64)
    /// The server left out the status that a metadata context has.
    case statusMissing(String)
    /// The server answers in pieces so small that it would never end.
    case noProgress

    /// The server broke the protocol.
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

/// A server's no to a request.
package struct ServerFailure: Sendable, Equatable {
  /// What the server's number means.
  package var number: ErrorNumber
  /// The server's number, known or not.
  package var code: UInt32
  /// What the server said about it, fit to be shown (T-055).
  package var text: String?
  /// Where the first byte is that could not be dealt with, if the server said so (T-057).
  package var offset: UInt64?

  package init(code: UInt32, text: String? = nil, offset: UInt64? = nil) {
    number = ErrorNumber(wire: code)
    self.code = code
    self.text = text
    self.offset = offset
  }
}

/// How a server broke the protocol, so that nothing it sends can be trusted any more (T-098).
package enum Violation: Sendable, Equatable {
  /// No reply that was agreed on starts like this.
  case magic(UInt32, ReplyStyle)
  /// It answers a request that is not in flight.
  case unknownCookie(Cookie)
  /// A simple reply says that all went well, where chunks have to say it.
  case simpleReply
  /// A chunk of this type does not answer the command, or nobody knows it.
  case chunkType(UInt16)
  /// A chunk of this type has another length.
  case chunkLength(UInt16, UInt64)
  /// An empty chunk that does not end its reply.
  case endlessNone
  /// A chunk repeats another offset than the request has.
  case otherOffset(UInt64)
  /// More chunks than any reply needs.
  case tooManyChunks(limit: Int)
  /// Data or a hole is not, or not wholly, a part of what was asked for.
  case outOfRange(offset: UInt64, length: UInt64)
  /// Data or a hole lies where some had come before.
  case overlap(offset: UInt64, length: UInt64)
  /// More than one piece where one was asked for.
  case fragmented
  /// The text of an error is longer than its chunk.
  case errorText(UInt16, chunk: UInt64)
  /// An error is about another place.
  case errorOffset(UInt64)
  /// A status is for a context that was not agreed on, or not asked for.
  case unknownContext(UInt32)
  /// A status came twice for one context.
  case repeatedContext(UInt32)
  /// A status says that it has that many extents, in that many bytes.
  case descriptorCount(UInt32, UInt64)
  /// An extent has no bytes.
  case emptyExtent
}
