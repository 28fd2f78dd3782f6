// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why a negotiation failed: at which step, for what reason, and what the server said (N-184).
package struct NegotiationError: Error, Sendable, Equatable {
  /// The step that failed.
  package var step: Step
  /// The reason.
  package var reason: Reason
  /// The text that came with a refusal, safe to display (N-038).
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
    /// The reply to the handshake flags.
    case clientFlags
    /// The TLS handshake.
    case tls
    /// An option of a fixed newstyle server, up to its final reply.
    case option(NegotiationOption)
    /// EXPORT_NAME, whose reply is the size and flags of the export.
    case exportName
    /// The size and flags of the export in an oldstyle greeting.
    case oldstyleHeader
  }

  /// What arrived, or did not arrive, instead of what the protocol requires.
  package enum Reason: Sendable, Equatable {
    /// The stream failed while this was awaited.
    case receiving(StreamError, awaiting: String)
    /// The stream failed while something was sent.
    case sending(StreamError)
    /// The export's name cannot be requested; nothing was sent.
    case unusableName(String, NameFlaw)

    /// TLS is requested, but this program or its configuration has none; nothing was read or sent.
    case cannotSecure
    /// TLS is requested, but a server of this style does not offer it.
    case tlsNotOffered(HandshakeStyle)
    /// The TLS handshake failed.
    case securing(StreamError)
    /// The server demands TLS inside TLS, or in reply to STARTTLS.
    case tlsRequiredInsideTLS

    /// The first eight bytes are not those of an NBD server.
    case notNBD(firstBytes: [UInt8])
    /// The second eight bytes belong to no style of server.
    case unknownStyle(UInt64)
    /// An oldstyle server has one export, without a name.
    case noNamedExports(String)
    /// The upper half of an oldstyle server's flags is not zero.
    case unknownUpperFlags(UInt32)

    /// A reply does not start with the reply magic.
    case wrongReplyMagic(UInt64)
    /// A reply is for an option that was not sent.
    case answersOtherOption(UInt32)
    /// A reply's type does not fit the option.
    case unexpectedReply(UInt32)
    /// An ACK that must be empty carries that many bytes.
    case acknowledgementWithData(UInt32)
    /// The server refused the option.
    case refused(OptionError)
    /// The server refused the option with an unknown error.
    case refusedWithUnknownError(UInt32)
    /// The server refused the option with more text than the client reads.
    case refusalTooLong(UInt32, length: UInt32)
    /// More replies to one option than the client reads.
    case tooManyReplies(limit: Int)
    /// More bytes in the replies to one option than the client reads.
    case tooManyBytes(limit: Int)

    /// The server does not have the export; some that it has, safe to display, and how many more.
    case unknownExport(String, available: [String], more: Int)
    /// The server hung up where the size and flags of the export were expected.
    case hungUpOnName(String)
    /// An option reply arrived where the size and flags of the export were expected.
    case replyInPlaceOfExport

    /// Information is too short to contain its type.
    case informationTooShort(UInt32)
    /// The length of the information does not fit its type.
    case informationLength(InformationType, UInt32)
    /// The server sent it twice, with different values.
    case contradiction(InformationType)
    /// The server acknowledged, but never sent the size and flags of the export.
    case noExportInformation
    /// The server sent no flags with the export.
    case noFlags
    /// The export is too large for signed offsets.
    case unaddressableSize(UInt64)
    /// No client can comply with these block sizes.
    case blockSizes(BlockSizeFlaw)

    /// The server accepted extended headers but does not know GO, which they require.
    case extendedHeadersWithoutGo

    /// A metadata context has an impossible length.
    case contextLength(UInt32)
    /// A metadata context arrived twice with different ids.
    case contextTwice(String)
    /// Two metadata contexts arrived with the same id.
    case contextsShareID(UInt32)

    /// A server of this style cannot list its exports.
    case cannotList
    /// An entry of the list is too short to hold a name.
    case listEntryTooShort(UInt32)
    /// The name in an entry of the list is longer than the entry.
    case listedNameTooLong(UInt32, entry: UInt32)
  }

  /// The option on which the server hung up silently, if the negotiation can do without it.
  var optionHungUpOn: NegotiationOption? {
    guard case .option(let option) = step,
      [.extendedHeaders, .structuredReply, .setMetaContext, .listMetaContext].contains(option)
    else { return nil }
    return switch reason {
    case .receiving(.ended(received: 0), _), .receiving(.failed, _), .sending(.failed): option
    default: nil
    }
  }

  /// Whether it is unlikely to go away on its own.
  ///
  /// What a restart of the server, a new export or a better network can cure is not persistent; a server
  /// that violates the protocol, or demands what is not configured, is.
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
