// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// One sentence for the administrator: where it failed, what came, and what can be done.
extension NegotiationError: CustomStringConvertible {
  package var description: String {
    "\(step): \(reason)" + (serverText.map { "; the server said: \"\($0)\"" } ?? "") + hint
  }

  /// What to do if TLS is requested from a server that has none.
  private var hint: String {
    switch reason {
    case .tlsNotOffered: Self.clearHint
    case .refused(.policy) where step == .option(.startTLS),
      .refused(.unsupported) where step == .option(.startTLS):
      Self.clearHint
    default: ""
    }
  }

  private static let clearHint =
    "; if the connection need not be encrypted, use nbd:// in place of nbds://"
}

extension NegotiationError.Step: CustomStringConvertible {
  package var description: String {
    switch self {
    case .greeting: "greeting"
    case .clientFlags: "client flags"
    case .tls: "TLS handshake"
    case .option(let option): "option \(option.name)"
    case .exportName: "option EXPORT_NAME"
    case .oldstyleHeader: "oldstyle greeting"
    }
  }
}

extension NegotiationError.Reason: CustomStringConvertible {
  package var description: String {
    switch self {
    case .receiving(let error, let awaited):
      receivingFailed(error, awaited)
    case .sending(let error):
      sendingFailed(error)
    case .unusableName(let name, let flaw):
      "'\(shown(name, limit: 256))' cannot be the name of an export: \(flaw)"

    case .cannotSecure:
      "TLS is wanted, and no TLS credentials are configured here"
    case .tlsNotOffered(.oldstyle):
      "the server does not offer TLS, an oldstyle server cannot"
    case .tlsNotOffered(.newstyle):
      "the server does not offer TLS, a server without fixed newstyle cannot"
    case .tlsNotOffered(.fixedNewstyle):
      "the server does not offer TLS"
    case .securing(let error):
      handshakeFailed(error)
    case .tlsRequiredInsideTLS:
      "the server broke the protocol: it asks for TLS in place of taking or using it"

    case .notNBD(let bytes):
      "this is not an NBD server, it began with \(dump(bytes)); check the address and the port"
    case .unknownStyle(let magic):
      "this is not an NBD server of a known style, it said \(hexadecimal(magic)) after its magic"
    case .noNamedExports(let name):
      "this is an oldstyle server, which has a single export without a name, not '\(shown(name))';"
        + " leave the name out if that export is meant"
    case .unknownUpperFlags(let flags):
      "the server set unknown flags, \(hexadecimal(flags))"

    case .wrongReplyMagic(let magic):
      "the server broke the protocol: its reply starts with \(hexadecimal(magic))"
    case .answersOtherOption(let number):
      "the server broke the protocol: it answered \(NegotiationOption.description(of: number)), which was not asked"
    case .unexpectedReply(let type):
      "the server broke the protocol: it answered with \(ReplyType.description(of: type))"
    case .acknowledgementWithData(let length):
      "the server broke the protocol: its ACK carries \(length) bytes but must be empty"
    case .refused(let error):
      "refused with \(error.name): \(error)"
    case .refusedWithUnknownError(let type):
      "refused with an unknown error, \(hexadecimal(type))"
    case .refusalTooLong(let type, let length):
      "refused with \(ReplyType.description(of: type)), whose text of \(length) bytes is too long to be read"
    case .tooManyReplies(let limit):
      "the server sent more than \(limit) replies without an end"
    case .tooManyBytes(let limit):
      "the server wants to send more than \(limit) bytes in reply"

    case .unknownExport(let name, let available, let more):
      "the server has no export '\(shown(name))'\(offer(available, more))"
    case .hungUpOnName(let name):
      "the server hung up when asked for '\(shown(name))', which is how it refuses an export;"
        + " list its exports to see their names"
    case .replyInPlaceOfExport:
      "the server refused the export: it sent an option reply in place of the export's size"

    case .informationTooShort(let length):
      "the server broke the protocol: an INFO reply has \(length) bytes and needs 2 for its type"
    case .informationLength(let type, let length):
      "the server broke the protocol: its \(type.name) information has \(length) bytes"
    case .contradiction(let type):
      "the server contradicts itself: it sent \(type.name) information twice, and not the same"
    case .noExportInformation:
      "the server broke the protocol: it agreed without telling the export's size and flags"
    case .noFlags:
      "the server broke the protocol: it set no flags for the export"
    case .unaddressableSize(let size):
      "the export's size of \(size) bytes cannot be addressed, the largest is \(Export.largestSize)"
    case .blockSizes(let flaw):
      "the server broke the protocol: \(flaw)"

    case .extendedHeadersWithoutGo:
      "the server broke the protocol: it took extended headers, and does not know this option"

    case .contextLength(let length):
      "the server broke the protocol: a metadata context has \(length) bytes,"
        + " and has from 5 to \(4 + longestString)"
    case .contextTwice(let name):
      "the server contradicts itself: it sent the metadata context '\(name)' twice,"
        + " and not the same"
    case .contextsShareID(let id):
      "the server contradicts itself: it sent two metadata contexts with the id \(id)"

    case .cannotList:
      "the server cannot list its exports, it is not a fixed newstyle server"
    case .listEntryTooShort(let length):
      "the server broke the protocol: an entry of its list has \(length) bytes and needs 4"
    case .listedNameTooLong(let name, let entry):
      "the server broke the protocol: an entry of its list has \(entry) bytes, its name \(name)"
    }
  }
}

func receivingFailed(_ error: StreamError, _ awaited: String) -> String {
  switch error {
  case .ended(0): "the server closed the connection; \(awaited) did not come"
  case .ended(let received): "the server closed the connection \(received) bytes into \(awaited)"
  case .timedOut(let duration): "waited \(Quantities.exactly(duration)) for \(awaited)"
  case .interrupted: "given up while waiting for \(awaited)"
  case .failed(let error): "\(error), while waiting for \(awaited)"
  case .tlsFailed(let reason): "TLS: \(reason), while waiting for \(awaited)"
  case .handshakeFailed(let reason, _): "\(reason), while waiting for \(awaited)"
  }
}

func sendingFailed(_ error: StreamError) -> String {
  switch error {
  case .ended: "could not send it, the server closed the connection"
  case .timedOut(let duration):
    "could not send it, the server accepted nothing for \(Quantities.exactly(duration))"
  case .interrupted: "given up while sending it"
  case .failed(let error): "could not send it, \(error)"
  case .tlsFailed(let reason): "could not send it, TLS: \(reason)"
  case .handshakeFailed(let reason, _): "could not send it, \(reason)"
  }
}

private func handshakeFailed(_ error: StreamError) -> String {
  switch error {
  case .ended: "the server closed the connection before it was complete"
  case .timedOut(let duration): "not complete after \(Quantities.exactly(duration))"
  case .interrupted: "given up"
  case .failed(let error): error.description
  case .tlsFailed(let reason): "TLS: \(reason)"
  case .handshakeFailed(let reason, _): reason
  }
}

/// Bytes as hexadecimal, and as text where all of them are printable.
private func dump(_ bytes: [UInt8]) -> String {
  let numbers = bytes.map { hexadecimal($0) }.joined(separator: " ")
  let isPrintable = bytes.allSatisfy { (0x20...0x7e).contains($0) || $0 == 0x0d || $0 == 0x0a }
  return isPrintable ? "\(numbers) (\"\(shown(bytes))\")" : numbers
}

private func offer(_ names: [String], _ more: Int) -> String {
  guard !names.isEmpty else { return "" }
  return "; it has: \(names.joined(separator: ", "))" + (more > 0 ? " and \(more) more" : "")
}
