// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Negotiates the style of replies (proto.md, *Option types*, `NBD_OPT_STRUCTURED_REPLY`; the
/// extension *Extended headers*).
extension Negotiation {
  /// Requests the best style that the client supports, and continues without what is refused
  /// (N-060 to N-063, N-065, N-067).
  mutating func agreeOnReplies(
    structured: Bool, extended: Bool
  ) throws(NegotiationError) -> ReplyStyle {
    if extended, try isGranted(.extendedHeaders) { return .extended }
    if structured || extended, try isGranted(.structuredReply) { return .structured }
    return .simple
  }

  private mutating func isGranted(_ option: NegotiationOption) throws(NegotiationError) -> Bool {
    guard !avoided.contains(option) else { return false }
    guard let refusal = try refusal(of: option) else { return true }
    try tolerate(refusal)
    return false
  }
}
