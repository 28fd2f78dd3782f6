// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// A connected stream socket whose operations end at a deadline or an interrupt.
package final class StreamSocket: Sendable {
  package let descriptor: Descriptor
  private let interrupt: Wakeup?

  /// Takes a socket that is connected.
  package convenience init(connected descriptor: Descriptor) { self.init(descriptor, nil) }

  private init(_ descriptor: Descriptor, _ interrupt: Wakeup?) {
    self.descriptor = descriptor
    self.interrupt = interrupt
  }

  /// Connects; blocks for at most `time`, which the error mentions, and not beyond `end`.
  ///
  /// ECONNREFUSED: nothing listens there; ENOENT: there is no such UNIX socket; EACCES, EPERM: it
  /// is not allowed; EHOSTUNREACH, ENETUNREACH: there is no route. The corresponding C function is
  /// `connect`.
  package static func connect(
    to address: Address, within time: Duration, until end: ContinuousClock.Instant? = nil,
    interrupt: Wakeup? = nil
  ) throws(SocketError) -> StreamSocket {
    let latest = ContinuousClock.now + time
    let deadline = end.map { min($0, latest) } ?? latest
    let type = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let made = try mapError(
      try check("socket") { socket(address.family, type, 0) }, to: SocketError.system)
    let connected = StreamSocket(Descriptor(owning: made), interrupt)
    while true {
      switch connected.startConnecting(to: address) {
      case 0: return connected
      case EINPROGRESS:
        try connected.wait(POLLOUT, until: deadline, time)
        let code = try connected.pendingError()
        guard code == 0 else { throw .system(SystemError("connect", code)) }
        return connected
      case EAGAIN:
        // A UNIX socket whose backlog is full: no event says when it has room again.
        try connected.pause(.milliseconds(20), until: deadline, time)
      case EINTR: continue
      case let code: throw .system(SystemError(returned: code, by: "connect"))
      }
    }
  }

  /// Receives exactly `count` bytes, in however many pieces they come (N-012); the error at the
  /// deadline mentions `time`.
  ///
  /// Blocks. ECONNRESET: the peer has reset the connection; ETIMEDOUT: TCP has given the peer up. The
  /// corresponding C function is `recv`.
  package func receive(
    _ count: Int, until deadline: ContinuousClock.Instant, _ time: Duration
  ) throws(SocketError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var received = 0
    while received < count {
      let part = unsafe bytes.withUnsafeMutableBytes { room in
        unsafe recv(
          descriptor.number, room.baseAddress.map { unsafe $0 + received },
          count - received, 0)
      }
      let code = errno
      switch part {
      case 0: throw .ended(received: received)
      case 1...: received += part
      case _ where code == EAGAIN: try wait(POLLIN, until: deadline, time)
      case _ where code == EINTR: continue
      default: throw .system(SystemError(returned: code, by: "recv"))
      }
    }
    return bytes
  }

  /// Sends all bytes.
  ///
  /// Blocks. EPIPE, ECONNRESET: the peer has gone; there is never a signal (N-015). The
  /// corresponding C function is `send`.
  package func send(
    _ bytes: [UInt8], until deadline: ContinuousClock.Instant, _ time: Duration
  ) throws(SocketError) {
    var sent = 0
    while sent < bytes.count {
      let part = unsafe bytes.withUnsafeBytes { room in
        unsafe Glibc.send(
          descriptor.number, room.baseAddress.map { unsafe $0 + sent },
          bytes.count - sent, CInt(MSG_NOSIGNAL))
      }
      let code = errno
      switch part {
      case 0...: sent += part
      case _ where code == EAGAIN: try wait(POLLOUT, until: deadline, time)
      case _ where code == EINTR: continue
      default: throw .system(SystemError(returned: code, by: "send"))
      }
    }
  }

  /// Receives what there is, at most `limit` bytes, waiting for the first until the deadline, if
  /// there is one; the error then mentions `time`.
  ///
  /// Empty at the end of the stream. Blocks; the errors are those of `receive`.
  package func receiveSome(
    _ limit: Int, until deadline: ContinuousClock.Instant? = nil, _ time: Duration = .zero
  ) throws(SocketError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: limit)
    while true {
      let part = unsafe bytes.withUnsafeMutableBytes { room in
        unsafe recv(descriptor.number, room.baseAddress, limit, 0)
      }
      let code = errno
      switch part {
      case 0...: return Array(bytes.prefix(part))
      case _ where code == EAGAIN: try wait(POLLIN, until: deadline, time)
      case _ where code == EINTR: continue
      default: throw .system(SystemError(returned: code, by: "recv"))
      }
    }
  }

  /// Prepares the socket for the nbd driver (Linux 6.1 and 6.12).
  ///
  /// TCP: no delay, and a vanished peer is detected. Both: a send buffer so large that the kernel
  /// almost never stops in the middle of a request, which 6.6 to 6.13 do not survive when a signal
  /// comes at that moment.
  package func prepareForKernel() throws(SystemError) {
    try descriptor.setBlocking(true)
    prepareForRequests()
    set(SOL_SOCKET, SO_SNDBUFFORCE, 32 << 20)
  }

  /// Prepares the socket for requests, once it is connected.
  ///
  /// TCP detects within half a minute that a peer has vanished while nothing is sent, and sends
  /// small messages at once. Only the request timeout limits how long the peer may take to respond:
  /// TCP_USER_TIMEOUT would also end connections to a peer that is alive but does not read (Linux
  /// 6.1). Other sockets detect a vanished peer by themselves; their send buffer, which does not
  /// adapt, accepts a large write at once, if the process has the privilege.
  package func prepareForRequests() {
    guard isTCP else { return set(SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20) }
    let tcp = CInt(IPPROTO_TCP)
    set(tcp, TCP_NODELAY, 1)
    set(SOL_SOCKET, SO_KEEPALIVE, 1)
    set(tcp, TCP_KEEPIDLE, 10)
    set(tcp, TCP_KEEPINTVL, 5)
    set(tcp, TCP_KEEPCNT, 4)
  }

  /// How long ago the peer last acknowledged anything, also a probe; nil if that is not TCP.
  ///
  /// Time in suspend does not count (Linux 6.1). The corresponding C function is `getsockopt` with `TCP_INFO`.
  package var sinceLastAcknowledgement: Duration? {
    guard isTCP else { return nil }
    var info = tcp_info()
    var length = socklen_t(MemoryLayout<tcp_info>.size)
    let result = unsafe getsockopt(
      descriptor.number, CInt(IPPROTO_TCP), TCP_INFO, &info, &length)
    return result == 0 ? .milliseconds(Int64(info.tcpi_last_ack_recv)) : nil
  }

  /// Makes closing the socket reset the connection: data that was not sent yet is discarded.
  ///
  /// The corresponding C function is `setsockopt` with `SO_LINGER`.
  package func abort() {
    var value = linger(l_onoff: 1, l_linger: 0)
    let length = socklen_t(MemoryLayout<linger>.size)
    unsafe setsockopt(descriptor.number, SOL_SOCKET, SO_LINGER, &value, length)
  }

  /// Sends small messages at once.
  ///
  /// Without effect on a UNIX socket. The corresponding C function is `setsockopt` with `TCP_NODELAY`.
  package func setNoDelay() {
    if isTCP { set(CInt(IPPROTO_TCP), TCP_NODELAY, 1) }
  }

  private var isTCP: Bool {
    var domain: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_DOMAIN, &domain, &length)
    return domain == AF_INET || domain == AF_INET6
  }

  // Best effort: a socket that refuses an option still carries data.
  private func set(_ level: CInt, _ option: CInt, _ value: CInt) {
    var value = value
    let length = socklen_t(MemoryLayout<CInt>.size)
    unsafe setsockopt(descriptor.number, level, option, &value, length)
  }

  private func startConnecting(to address: Address) -> CInt {
    unsafe address.pass(to: Glibc.connect, descriptor) == 0 ? 0 : errno
  }

  private func pendingError() throws(SocketError) -> CInt {
    var code: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    _ = try mapError(
      try check("getsockopt") {
        unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_ERROR, &code, &length)
      }, to: SocketError.system)
    return code
  }

  /// Waits until there is something to receive, for a layer that receives by itself.
  package func waitForInput(
    until deadline: ContinuousClock.Instant?, _ time: Duration
  ) throws(SocketError) {
    try wait(POLLIN, until: deadline, time)
  }

  /// Waits until something can be sent, for a layer that sends by itself.
  package func waitForOutput(
    until deadline: ContinuousClock.Instant?, _ time: Duration
  ) throws(SocketError) {
    try wait(POLLOUT, until: deadline, time)
  }

  private func wait(
    _ events: CInt, until deadline: ContinuousClock.Instant?, _ time: Duration
  ) throws(SocketError) {
    let ready = try mapError(
      try Readiness.wait(
        for: [(descriptor, events)] + (interrupt.map { [($0.descriptor, POLLIN)] } ?? []),
        until: deadline), to: SocketError.system)
    if ready & 2 != 0 { throw .interrupted }
    if ready == 0 { throw .timedOut(time) }
  }

  private func pause(
    _ length: Duration, until deadline: ContinuousClock.Instant, _ time: Duration
  ) throws(SocketError) {
    _ = try mapError(
      try Readiness.wait(
        for: interrupt.map { [($0.descriptor, POLLIN)] } ?? [], until: .now + length),
      to: SocketError.system)
    if interrupt?.isSignalled == true { throw .interrupted }
    if ContinuousClock.now >= deadline { throw .timedOut(time) }
  }
}

/// Why an operation on a stream socket failed.
package enum SocketError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The peer ended the stream after this many of the requested bytes.
  case ended(received: Int)
  /// Nothing happened for this long.
  case timedOut(Duration)
  /// Our own side gave up.
  case interrupted
  case system(SystemError)

  package var description: String {
    switch self {
    case .ended: "the connection was closed"
    case .timedOut(let time): "timed out after \(Quantities.exactly(time))"
    case .interrupted: "interrupted"
    case .system(let error): error.description
    }
  }
}
