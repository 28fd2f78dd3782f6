// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CGnuTLS
internal import Glibc
internal import Linux

/// The start of a session: performs the handshake and verifies the server.
struct Handshake {
  let socket: StreamSocket
  let credentials: Credentials
  let deadline: ContinuousClock.Instant
  let time: Duration

  /// Returns a session that is ready for data; the caller ends it.
  func run() throws(TLSError) -> gnutls_session_t {
    var made: gnutls_session_t?
    // Sessions are never resumed, so no tickets are requested. Our certificate is sent even if the server
    // does not list its CA: then the server reports why it rejects it.
    let flags =
      UInt32(GNUTLS_CLIENT) | UInt32(GNUTLS_NONBLOCK) | UInt32(GNUTLS_NO_SIGNAL)
      | UInt32(GNUTLS_NO_TICKETS) | UInt32(GNUTLS_FORCE_CLIENT_CERT)
    unsafe gnutls_init(&made, flags)
    guard let session = unsafe made else { preconditionFailure("no memory") }
    do throws(TLSError) {
      try unsafe prepare(session)
      try unsafe verifying(session) { () throws(TLSError) in try unsafe agree(session) }
      guard unsafe gnutls_auth_server_get_type(session) == credentials.handle.kind else {
        throw .otherMethod
      }
    } catch {
      unsafe gnutls_deinit(session)
      throw error
    }
    return unsafe session
  }

  private func prepare(_ session: gnutls_session_t) throws(TLSError) {
    let pointer = unsafe credentials.handle.pointer
    var code = unsafe gnutls_priority_set_direct(session, credentials.priority, nil)
    if code >= 0 {
      code = unsafe gnutls_credentials_set(session, credentials.handle.kind, pointer)
    }
    if code >= 0, let name = credentials.serverName, !name.isAddress {
      code = unsafe gnutls_server_name_set(
        session, GNUTLS_NAME_DNS, name.text, name.text.utf8.count)
    }
    if code < 0 { throw .broken(reason(code)) }
    unsafe gnutls_transport_set_int2(
      session, socket.descriptor.number, socket.descriptor.number)
  }

  /// Makes GnuTLS verify the server's certificate while `body` runs, before anything is sent that only
  /// the right server may see.
  ///
  /// The certificate must be valid for the expected name, and for servers.
  private func verifying(
    _ session: gnutls_session_t, _ body: () throws(TLSError) -> Void
  ) throws(TLSError) {
    guard credentials.settings.method == .certificate, credentials.settings.verifyPeer,
      let name = credentials.serverName
    else { return try body() }
    let expected = [
      (GNUTLS_DT_DNS_HOSTNAME, name.text), (GNUTLS_DT_KEY_PURPOSE_OID, GNUTLS_KP_TLS_WWW_SERVER),
    ]
    // GnuTLS keeps the pointers until the verification function is removed again.
    let data = UnsafeMutablePointer<gnutls_typed_vdata_st>.allocate(capacity: expected.count)
    for (index, (type, text)) in expected.enumerated() {
      let copy = unsafe UnsafeMutableRawPointer(strdup(text))?.assumingMemoryBound(to: UInt8.self)
      unsafe data[index] = gnutls_typed_vdata_st(type: type, data: copy, size: 0)
    }
    unsafe gnutls_session_set_verify_cert2(session, data, UInt32(expected.count), 0)
    defer {
      unsafe gnutls_session_set_verify_function(session, nil)
      for index in expected.indices { unsafe free(data[index].data) }
      unsafe data.deallocate()
    }
    try body()
  }

  private func agree(_ session: gnutls_session_t) throws(TLSError) {
    while true {
      let code = unsafe gnutls_handshake(session)
      let errno = Glibc.errno
      switch code {
      case GNUTLS_E_SUCCESS:
        return
      case GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED:
        let isSending = unsafe gnutls_record_get_direction(session) == 1
        try socket.wait(toSend: isSending, until: deadline, time, isHandshake: true)
      case _ where gnutls_error_is_fatal(code) == 0:
        // A warning. A peer that sends nothing else must not keep us busy forever.
        if ContinuousClock.now >= deadline { throw .timedOut(time) }
      default:
        let error = unsafe TLSError(
          gnutls: code, from: "connect", errno: errno, in: session, with: credentials,
          isHandshake: true,
          isJudged: false)
        // Tried only once: the alert is optional.
        if !error.isFromPeer { unsafe gnutls_alert_send_appropriate(session, code) }
        throw error
      }
    }
  }
}

extension TLSError {
  /// Whether the peer has already given up.
  fileprivate var isFromPeer: Bool {
    switch self {
    case .certificate, .noCertificate, .otherMethod, .nothingInCommon, .notTLS, .broken: false
    default: true
    }
  }
}

extension StreamSocket {
  /// Waits for room to send or for data to receive; times out at the deadline even if there is some.
  func wait(
    toSend: Bool, until deadline: ContinuousClock.Instant, _ time: Duration, isHandshake: Bool
  ) throws(TLSError) {
    // A peer could send empty records forever.
    if ContinuousClock.now >= deadline { throw .timedOut(time) }
    do throws(SocketError) {
      if toSend {
        try waitForOutput(until: deadline, time)
      } else {
        try waitForInput(until: deadline, time)
      }
    } catch {
      throw TLSError(error, isHandshake: isHandshake)
    }
  }
}
