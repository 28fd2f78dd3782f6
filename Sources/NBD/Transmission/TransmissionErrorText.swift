// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// One sentence for the administrator: what was requested, what arrived, and what was expected.
extension TransmissionError: CustomStringConvertible {
  package var description: String {
    "\(request): \(reason)"
      + (isOutcomeUnknown ? "; whether the server has done it is unknown" : "")
  }
}

extension Request: CustomStringConvertible {
  package var description: String {
    command.hasRange ? "\(command.name) of \(length) bytes at \(offset)" : command.name
  }
}

extension TransmissionError.Reason: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notSent(let flaw): "not sent, \(flaw)"
    case .failed(let failure): failure.description
    case .uncovered(let count):
      "the server reported success, but did not send \(count) of the bytes"
    case .statusMissing(let name):
      "the server reported success, but did not report '\(shown(name))'"
    case .noProgress:
      "the server reports too few bytes at a time to ever finish"
    case .violation(let violation): "the server broke the protocol: \(violation)"
    case .receiving(let error, let awaited): receivingFailed(error, awaited)
    case .sending(let error): sendingFailed(error)
    case .closed: "the server closed the connection; the reply did not come"
    case .abandoned: "the connection was given up before the reply came"
    }
  }
}

extension ServerFailure: CustomStringConvertible {
  package var description: String {
    let unknown = number.rawValue == code ? "" : " (it sent \(code), which is no error's number)"
    return "the server returned \(number.name)\(unknown)"
      + (offset.map { " at \($0)" } ?? "") + (text.map { "; it said: \"\($0)\"" } ?? "")
  }
}

extension RequestFlaw: CustomStringConvertible {
  package var description: String {
    switch self {
    case .readOnly: "the export is read-only"
    case .notOffered: "the server does not offer this"
    case .flags(let flags): "the command flags \(hexadecimal(flags.rawValue)) do not fit"
    case .outOfRange(let size): "the export ends at \(size)"
    case .misaligned(let block): "offset and length have to be multiples of \(block)"
    case .empty: "zero length"
    case .tooLong(let most): "longer than the maximum of \(most) bytes"
    case .payload(let count): "\(count) bytes of data given"
    case .contexts: "no metadata context was agreed on, or another one"
    case .tooManyInFlight(let most): "\(most) requests are in flight already"
    case .overlapsWrite: "a write of the same bytes is in flight"
    case .closed: "the connection has ended, or is about to"
    }
  }
}

extension Violation: CustomStringConvertible {
  package var description: String {
    switch self {
    case .magic(let magic, let style):
      "it sent \(hexadecimal(magic)) where a \(style) reply starts"
    case .unknownCookie(let cookie):
      "a reply to \(hexadecimal(cookie)), which is no request in flight"
    case .simpleReply: "a simple reply came instead of a structured one"
    case .chunkType(let type):
      "a chunk came of the type \(hexadecimal(type)), which does not belong to this request"
    case .chunkLength(let type, let length):
      "a chunk of the type \(hexadecimal(type)) came with \(length) bytes, which it cannot have"
    case .endlessNone: "an empty chunk came that does not end its reply"
    case .otherOffset(let offset): "a chunk came for a request at \(offset)"
    case .tooManyChunks(let limit): "more than \(limit) chunks came in one reply"
    case .outOfRange(let offset, let length):
      "\(length) bytes came for \(offset), which were not asked for"
    case .overlap(let offset, let length):
      "\(length) bytes came for \(offset), of which some had come before"
    case .fragmented: "data came in several chunks although one was requested"
    case .errorText(let length, let chunk):
      "the text of an error has \(length) bytes and its chunk \(chunk)"
    case .errorOffset(let offset): "an error came for \(offset), which was not asked for"
    case .unknownContext(let id):
      "a status came for the metadata context \(id), which was not asked for"
    case .repeatedContext(let id): "a status came twice for the metadata context \(id)"
    case .descriptorCount(let count, let length):
      "a status of \(length) bytes came with \(count) extents"
    case .emptyExtent: "a status came with an extent of no bytes"
    }
  }
}

extension ReplyStyle: CustomStringConvertible {
  package var description: String {
    switch self {
    case .simple: "simple"
    case .structured: "structured"
    case .extended: "extended"
    }
  }
}
