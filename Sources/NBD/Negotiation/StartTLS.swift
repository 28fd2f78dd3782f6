// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Encrypts a connection (proto.md, *TLS support*; *Option types*, `NBD_OPT_STARTTLS`).
extension Negotiation {
  /// Switches to TLS if requested, before any other option (N-046 to N-050, N-056 to N-058).
  ///
  /// Only the server's greeting is known before, so there is nothing to discard (N-053), and nothing is
  /// read between its ACK and the handshake (N-051).
  mutating func secure(_ handshake: HandshakeStyle, _ security: Security) throws(NegotiationError) {
    guard security != .none else { return }
    guard handshake == .fixedNewstyle else {
      return try goOnInTheClear(.tlsNotOffered(handshake), security)
    }
    guard let refusal = try refusal(of: .startTLS) else { return try shakeHands() }
    switch refusal.error {
    case .unsupported: try goOnInTheClear(.tlsNotOffered(handshake), security, refusal.text)
    case .policy: try goOnInTheClear(.refused(.policy), security, refusal.text)
    default: throw failure(refusal)
    }
  }

  /// Runs the TLS handshake; if it fails, nothing more is sent (N-052).
  private mutating func shakeHands() throws(NegotiationError) {
    begin(.tls)
    canAbort = false
    do {
      try stream.secure()
    } catch {
      throw failure(.securing(error))
    }
    canAbort = true
    isSecure = true
  }

  /// Continues unencrypted if that is allowed, and adds a note (N-049, N-050, N-057).
  private mutating func goOnInTheClear(
    _ reason: NegotiationError.Reason, _ security: Security, _ serverText: String? = nil
  ) throws(NegotiationError) {
    let failure = failure(reason, serverText: serverText)
    guard security == .opportunistic else { throw failure }
    notes.append("the connection is not encrypted: \(failure)")
  }
}
