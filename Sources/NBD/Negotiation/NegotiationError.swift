// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a negotiation failed: where, for what reason, and what the server said about it (N-184).
package struct NegotiationError: Error, Sendable, Equatable {
  /// Where it happened.
  package var step: Step
  /// What happened.
  package var reason: Reason
  /// The text that came with a refusal, fit to be shown (N-038).
  package var serverText: String?

  package init(step: Step, reason: Reason, serverText: String? = nil) {
    self.step = step
    self.reason = reason
    self.serverText = serverText
  }

  /// A part of the negotiation with a deadline of its own.
  package enum Step: Sendable, Equatable {
    /// Both magics and the handshake flags.
    case greeting
    /// The answer to the handshake flags.
    case clientFlags
    /// The TLS handshake.
    case tls
    /// An option of a fixed newstyle server, up to its final reply.
    case option(NegotiationOption)
    /// EXPORT_NAME, to which the facts of the export are the answer.
    case exportName
    /// The facts of the export in an oldstyle greeting.
    case oldstyleHeader
  }

  /// What came, or did not come, in place of what the protocol asks for.
  package enum Reason: Sendable, Equatable {
    /// The stream failed while this was awaited.
    case receiving(StreamError, awaiting: String)
    /// The stream failed while something was sent.
    case sending(StreamError)
    /// The export's name cannot be asked for; nothing was sent.
    case unusableName(String, NameFlaw)

    /// TLS is wanted, and this program or its configuration has none; nothing was read or sent.
    case cannotSecure
    /// TLS is wanted, and a server of this style does not offer it.
    case tlsNotOffered(HandshakeStyle)
    /// The TLS handshake failed.
    case securing(StreamError)
    /// The server asks for TLS where there is TLS, or in answer to the wish for it.
    case tlsRequiredInsideTLS

    /// The first eight bytes are not those of an NBD server.
    case notNBD(firstBytes: [UInt8])
    /// The second eight bytes belong to no style of server.
    case unknownStyle(UInt64)
    /// An oldstyle server has one export, without a name.
    case noNamedExports(String)
    /// The upper half of an oldstyle server's flags is not zero.
    case unknownUpperFlags(UInt32)

    /// A reply does not start as replies do.
    case wrongReplyMagic(UInt64)
    /// A reply names an option that was not asked.
    case answersOtherOption(UInt32)
    /// A reply's type does not fit the option.
    case unexpectedReply(UInt32)
    /// An ACK that has to be empty carries that many bytes.
    case acknowledgementWithData(UInt32)
    /// The server refused the option.
    case refused(OptionError)
    /// The server refused the option with an error nobody knows.
    case refusedWithUnknownError(UInt32)
    /// The server refused the option, with more text than is read.
    case refusalTooLong(UInt32, length: UInt32)
    /// More replies to one option than are read.
    case tooManyReplies(limit: Int)
    /// More bytes in the replies to one option than are read.
    case tooManyBytes(limit: Int)

    /// The server does not have the export; some of those it has, fit to be shown, and how many more.
    case unknownExport(String, available: [String], more: Int)
    /// The server hung up where the facts of the export should come.
    case hungUpOnName(String)
    /// An option reply came where the facts of the export should come.
    case replyInPlaceOfExport

    /// Information is too short to say what it is about.
    case informationTooShort(UInt32)
    /// Information has another length than its type has.
    case informationLength(InformationType, UInt32)
    /// The server told twice, and differently.
    case contradiction(InformationType)
    /// The server agreed, but never told the size and the flags of the export.
    case noExportInformation
    /// The server sent no flags with the export.
    case noFlags
    /// The export is too large for signed offsets.
    case unaddressableSize(UInt64)
    /// No client can keep these block sizes.
    case blockSizes(BlockSizeFlaw)

    /// The server took extended headers, and does not know GO, without which there are none.
    case extendedHeadersWithoutGo

    /// A metadata context has a length that none has.
    case contextLength(UInt32)
    /// A metadata context came twice, and with different ids.
    case contextTwice(String)
    /// Two metadata contexts came with the same id.
    case contextsShareID(UInt32)

    /// A server of this style cannot list its exports.
    case cannotList
    /// An entry of the list is too short to hold a name.
    case listEntryTooShort(UInt32)
    /// The name in an entry of the list is longer than the entry.
    case listedNameTooLong(UInt32, entry: UInt32)
  }

  /// The option on which the server hung up without a word, if the conversation can do without it.
  var optionHungUpOn: NegotiationOption? {
    guard case .option(let option) = step,
      [.extendedHeaders, .structuredReply, .setMetaContext, .listMetaContext].contains(option)
    else { return nil }
    return switch reason {
    case .receiving(.ended(received: 0), _), .receiving(.failed, _), .sending(.failed): option
    default: nil
    }
  }

  /// Whether it is unlikely to go away by itself.
  ///
  /// What a server's restart, an export's appearance or a better network can cure is not lasting; a
  /// server that breaks the protocol, or wants what was not configured, is.
  package var isPersistent: Bool {
    switch reason {
    case .receiving, .sending, .unknownExport, .hungUpOnName, .replyInPlaceOfExport,
      .refused(.unknown), .refused(.shutdown), .refusedWithUnknownError:
      false
    case .securing(let error):
      if case .handshakeFailed(_, let isPersistent) = error { isPersistent } else { false }
    default:
      true
    }
  }
}
