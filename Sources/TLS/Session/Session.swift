// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CGnuTLS
internal import Glibc
package import Linux

/// A TLS session over a connected socket, which it owns.
///
/// For one thread at a time. Receiving never makes it send: a peer's request for new keys is left to the
/// next send, a request for a new handshake is ignored.
///
/// There is no buffer between the socket and GnuTLS until the handshake is complete: unread bytes from
/// before it are treated as TLS, never as content of the session (N-051).
@safe package final class Session: CustomStringConvertible {
  package let socket: StreamSocket
  /// For example "TLS 1.3, AES-256-GCM".
  package let description: String
  private let credentials: Credentials
  let handle: gnutls_session_t
  let intake: RecordSource
  let outlet: RecordSink
  /// Whether anything was received: then the server has finally accepted the client.
  var hasReceived = false

  /// Performs the handshake and verifies the server; a timeout error reports `time`.
  ///
  /// After an error nothing more may be sent on the socket (N-052).
  package init(
    over socket: StreamSocket, _ credentials: Credentials,
    until deadline: ContinuousClock.Instant, _ time: Duration
  ) throws(TLSError) {
    let handshake = Handshake(
      socket: socket, credentials: credentials, deadline: deadline, time: time)
    self.socket = socket
    self.credentials = credentials
    intake = try mapError(try RecordSource(socket), to: TLSError.system)
    outlet = try mapError(try RecordSink(socket), to: TLSError.system)
    unsafe handle = try handshake.run()
    // If the system has kernel TLS enabled, GnuTLS needs the socket itself. The function may also return
    // an error number.
    let offload = unsafe gnutls_transport_is_ktls_enabled(handle).rawValue
    if !(1...GNUTLS_KTLS_DUPLEX.rawValue).contains(offload) {
      unsafe intake.serve(handle)
      unsafe outlet.serve(handle)
    }
    description = unsafe Self.agreed(handle)
  }

  deinit {
    unsafe gnutls_deinit(handle)
  }

  /// Receives exactly `count` bytes; a timeout error reports `time`.
  package func receive(
    _ count: Int, until deadline: ContinuousClock.Instant, _ time: Duration
  ) throws(TLSError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var received = 0
    while received < count {
      let part = try take(into: &bytes, at: received, until: deadline, time)
      if part == 0 { throw .ended(received: received) }
      received += part
    }
    return bytes
  }

  /// Sends all bytes.
  ///
  /// After an error the session can no longer be used; `farewell` returns the peer's reason if it sent one.
  package func send(
    _ bytes: [UInt8], until deadline: ContinuousClock.Instant, _ time: Duration
  ) throws(TLSError) {
    let parts = Gather(capacity: 1)
    try unsafe bytes.span.withUnsafeBytes { room throws(TLSError) in
      var taken = 0
      while taken < room.count || isSending {
        parts.removeAll()
        unsafe parts.add(UnsafeRawBufferPointer(rebasing: room[taken...]))
        if let part = try send(parts) {
          taken += part
        } else {
          try socket.wait(toSend: true, until: deadline, time, isHandshake: false)
        }
      }
    }
  }

  /// The reason that the peer sent when it gave up, after a send has failed; does not block.
  package var farewell: TLSError? {
    do throws(TLSError) {
      // Skips what the peer may have sent before; a peer that sends more has not given up.
      for _ in 0..<64 { _ = try receive(1, until: .now, .zero) }
      return nil
    } catch {
      switch error {
      case .alert, .clientCertificateDemanded, .clientCertificateRefused, .preSharedKeyRefused,
        .nothingInCommon:
        return error
      default: return nil
      }
    }
  }

  /// Notifies the peer that the session ends, without waiting for its reply (N-059).
  ///
  /// Nothing can be sent afterwards. Blocks for at most `time`.
  package func close(within time: Duration = .seconds(1)) {
    let deadline = ContinuousClock.now + time
    var isSaid = false
    do throws(TLSError) {
      while true {
        if try flush() {
          if isSaid { return }
          switch unsafe gnutls_bye(handle, GNUTLS_SHUT_WR) {
          case GNUTLS_E_SUCCESS:
            isSaid = true
            continue
          case GNUTLS_E_AGAIN, GNUTLS_E_INTERRUPTED: break
          default: return
          }
        }
        try socket.wait(toSend: true, until: deadline, time, isHandshake: false)
      }
    } catch {
      return
    }
  }

  private func take(
    into bytes: inout [UInt8], at start: Int, until deadline: ContinuousClock.Instant,
    _ time: Duration
  ) throws(TLSError) -> Int {
    while true {
      var span = bytes.mutableSpan
      let part = try unsafe span.withUnsafeMutableBytes { room throws(TLSError) -> Int? in
        try unsafe receive(into: UnsafeMutableRawBufferPointer(rebasing: room[start...]))
      }
      if let part { return part }
      try socket.wait(toSend: false, until: deadline, time, isHandshake: false)
    }
  }

  func error(
    gnutls code: CInt, from call: String, errno: CInt, isJudged: Bool
  ) -> TLSError {
    unsafe TLSError(
      gnutls: code, from: call, errno: errno, in: handle, with: credentials, isHandshake: false,
      isJudged: isJudged)
  }

  /// The meaning if a server ends the session in order before it has sent anything: with TLS 1.3 that may
  /// be how it rejects the client (nbd-server does).
  var refusalByEnd: TLSError? {
    unsafe TLSError.refusal(byEndOf: handle, credentials)
  }

  private static func agreed(_ session: gnutls_session_t) -> String {
    let version =
      switch unsafe gnutls_protocol_get_version(session) {
      case GNUTLS_TLS1_3: "TLS 1.3"
      case GNUTLS_TLS1_2: "TLS 1.2"
      case GNUTLS_TLS1_1: "TLS 1.1"
      case GNUTLS_TLS1_0: "TLS 1.0"
      default: "TLS"
      }
    let name = unsafe gnutls_cipher_get_name(gnutls_cipher_get(session))
    return unsafe name.map { unsafe "\(version), \(String(cString: $0))" } ?? version
  }
}
