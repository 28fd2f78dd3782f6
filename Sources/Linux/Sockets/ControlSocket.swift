// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// The listening UNIX socket through which nbdd is controlled.
package enum ControlSocket {
  /// The process at the other end of a connection, as the kernel reports it.
  package struct Peer: Sendable {
    package let user: UInt32
    package let process: Int32
    /// Primary and supplementary groups.
    package let groups: [UInt32]
  }

  /// Creates a socket at `path`, for its owner and group only, and listens on it.
  ///
  /// A socket file without a listener is replaced. EADDRINUSE: there is a listener, or something else has the
  /// path; ENAMETOOLONG: the path is too long, or not absolute. Blocks for a few seconds at most. The corresponding
  /// C functions are `bind` and `listen`.
  package static func listen(at path: String, group: UInt32?) throws(SystemError) -> Descriptor {
    guard let address = Address.unix(path: Array(path.utf8)), path.utf8.first == UInt8(ascii: "/")
    else { throw SystemError("bind \(path)", ENAMETOOLONG) }
    let type = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let listener = Descriptor(owning: try check("socket") { socket(AF_UNIX, type, 0) })
    // Of several that find the file of a dead one, each could replace that of the others.
    let turn = try turn(at: path)
    defer { withExtendedLifetime(turn) {} }
    if (try? StreamSocket.connect(to: address, within: .seconds(1))) != nil {
      throw SystemError("bind \(path)", EADDRINUSE)
    }
    if isSocket(path) { unsafe unlink(path) }
    // The file takes over the socket's mode: no process may connect before its group is right.
    try check("fchmod") { fchmod(listener.number, 0o600) }
    try check("bind \(path)") { unsafe address.pass(to: bind, listener) }
    if let group { try check("chown \(path)") { unsafe chown(path, uid_t.max, group) } }
    try check("chmod \(path)") { unsafe chmod(path, group == nil ? 0o600 : 0o660) }
    try check("listen") { Glibc.listen(listener.number, 64) }
    return listener
  }

  /// Waits until no other process is listening anew in the directory of a path; the turn ends with the descriptor.
  ///
  /// EADDRINUSE: that takes too long. Nil: the directory cannot be opened, and nobody waits for anybody.
  private static func turn(at path: String) throws(SystemError) -> Descriptor? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let directory = "\(parts.dropLast().joined(separator: "/"))/"
    guard let lock = try? Descriptor.open(directory, O_RDONLY) else { return nil }
    let deadline = ContinuousClock.now + .seconds(3)
    while !lock.tryLock() {
      guard ContinuousClock.now < deadline else { throw SystemError("bind \(path)", EADDRINUSE) }
      Thread.pause(.milliseconds(10))
    }
    return lock
  }

  private static func isSocket(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }

  /// Accepts a waiting connection; nil if there are no more.
  ///
  /// Does not block. EMFILE, ENFILE: too many files are open. The corresponding C function is `accept4`.
  package static func accept(on listener: Descriptor) throws(SystemError) -> Descriptor? {
    let flags = CInt(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    do throws(SystemError) {
      return Descriptor(
        owning: try check("accept") {
          unsafe accept4(listener.number, __SOCKADDR_ARG(__sockaddr__: nil), nil, flags)
        })
    } catch  where error.errno == EAGAIN || error.errno == ECONNABORTED {
      return nil
    }
  }

  /// Returns what a peer has sent, at most `limit` bytes; nil if there is nothing yet, empty at the
  /// end.
  ///
  /// Does not block. ECONNRESET: the peer left without reading all. The corresponding C function is `recv`.
  package static func receive(
    from connection: Descriptor, limit: Int
  ) throws(SystemError) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: limit)
    do throws(SystemError) {
      let count = try check("recv") {
        unsafe bytes.withUnsafeMutableBytes {
          unsafe recv(connection.number, $0.baseAddress, limit, 0)
        }
      }
      return Array(bytes.prefix(count))
    } catch  where error.errno == EAGAIN {
      return nil
    }
  }

  /// Sends what the peer accepts at once; returns the number of bytes.
  ///
  /// Does not block. EPIPE: the peer has gone. The corresponding C function is `send`.
  package static func send(
    _ bytes: [UInt8], on connection: Descriptor
  ) throws(SystemError) -> Int {
    guard !bytes.isEmpty else { return 0 }
    do throws(SystemError) {
      return try check("send") {
        unsafe bytes.withUnsafeBytes {
          unsafe Glibc.send(connection.number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
        }
      }
    } catch  where error.errno == EAGAIN {
      return 0
    }
  }

  /// The peer of a connection at the time it connected.
  ///
  /// The corresponding C function is `getsockopt` with `SO_PEERCRED` and `SO_PEERGROUPS`.
  package static func peer(of connection: Descriptor) throws(SystemError) -> Peer {
    var credentials = ucred()
    var length = socklen_t(MemoryLayout<ucred>.size)
    try check("getsockopt") {
      unsafe getsockopt(connection.number, SOL_SOCKET, SO_PEERCRED, &credentials, &length)
    }
    var groups = [gid_t](repeating: 0, count: 256)
    var groupsLength = socklen_t(groups.count * MemoryLayout<gid_t>.size)
    let result = unsafe getsockopt(
      connection.number, SOL_SOCKET, SO_PEERGROUPS, &groups, &groupsLength)
    let count = result == 0 ? Int(groupsLength) / MemoryLayout<gid_t>.size : 0
    return Peer(
      user: credentials.uid, process: credentials.pid,
      groups: [credentials.gid] + groups.prefix(count))
  }

  /// The group of a socket file; nil for an abstract or unnamed socket.
  ///
  /// The corresponding C functions are `getsockname` and `stat`.
  package static func group(of listener: Descriptor) -> UInt32? {
    var storage = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(listener.number, __SOCKADDR_ARG(__sockaddr__: $0), &length)
      }
    }
    let path = unsafe withUnsafeBytes(of: &storage.sun_path) { raw in
      unsafe String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
    }
    var status = stat()
    guard result == 0, !path.isEmpty, unsafe stat(path, &status) == 0 else { return nil }
    return status.st_gid
  }

  /// The number of a group by its name, nil if there is none.
  ///
  /// May block while a name service is queried; for one thread at a time. The corresponding C
  /// function is `getgrnam`.
  package static func group(named name: String) -> UInt32? {
    unsafe getgrnam(name)?.pointee.gr_gid
  }
}
