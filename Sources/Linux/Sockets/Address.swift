// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc

/// An address that a stream socket can connect to.
package struct Address: Sendable, Equatable, CustomStringConvertible {
  let family: CInt
  /// A socket address structure as the kernel takes it.
  let bytes: [UInt8]
  /// As in "127.0.0.1:10809", "[::1]:10809" or "/run/nbd.sock".
  package let description: String

  /// Returns every address of a host, in the order in which they should be tried.
  ///
  /// Blocks while name servers are queried, for which there is no deadline. The corresponding C
  /// function is `getaddrinfo`.
  package static func resolve(
    host: String, port: UInt16
  ) throws(ResolutionError) -> [Address] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let result = unsafe getaddrinfo(host, String(port), &hints, &list)
    let code = errno
    guard result == 0 else {
      throw ResolutionError(
        host: host,
        reason: result == EAI_SYSTEM
          ? SystemError("getaddrinfo", code).reason : unsafe String(cString: gai_strerror(result)))
    }
    defer { unsafe freeaddrinfo(list) }
    var addresses: [Address] = []
    var next = unsafe list
    while let entry = unsafe next?.pointee {
      if let address = unsafe entry.ai_addr {
        let raw = unsafe UnsafeRawBufferPointer(start: address, count: Int(entry.ai_addrlen))
        unsafe addresses.append(
          Address(
            family: entry.ai_family, bytes: Array(raw),
            description: numericName(of: address, entry.ai_addrlen)))
      }
      unsafe next = entry.ai_next
    }
    return addresses
  }

  /// A host in one spelling: an address as the kernel writes it, a name in small letters and without
  /// the dot of the root.
  ///
  /// Queries no name server, so a name and its address stay different. The corresponding C function
  /// is `getaddrinfo` with `AI_NUMERICHOST`.
  package static func canonical(host: String) -> String {
    var hints = unsafe addrinfo()
    unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_NUMERICHOST
    var list: UnsafeMutablePointer<addrinfo>?
    guard unsafe getaddrinfo(host, nil, &hints, &list) == 0 else {
      return (host.hasSuffix(".") ? String(host.dropLast()) : host).lowercased()
    }
    defer { unsafe freeaddrinfo(list) }
    guard let entry = unsafe list?.pointee, let address = unsafe entry.ai_addr else { return host }
    return unsafe numericName(of: address, entry.ai_addrlen)
  }

  /// A UNIX socket; `path` of an abstract one begins with a NUL byte.
  ///
  /// Nil if the path is too long for the kernel (107 bytes, 108 for an abstract one).
  package static func unix(path: [UInt8]) -> Address? {
    let isAbstract = path.first == 0
    let room = MemoryLayout<sockaddr_un>.size - MemoryLayout<sa_family_t>.size
    guard !path.isEmpty, path.count <= (isAbstract ? room : room - 1) else { return nil }
    let family = sa_family_t(AF_UNIX)
    let head = unsafe withUnsafeBytes(of: family) { unsafe Array($0) }
    let name = isAbstract ? Array("@".utf8) + path.dropFirst() : path
    return Address(
      family: AF_UNIX, bytes: head + path + (isAbstract ? [] : [0]),
      description: shown(name))
  }

  /// A virtual machine, or its host, by number (U-022).
  package static func vsock(cid: UInt32, port: UInt32) -> Address {
    // struct sockaddr_vm: family, padding, port, CID, and four bytes of padding.
    let family = sa_family_t(AF_VSOCK)
    let head = unsafe withUnsafeBytes(of: family) { unsafe Array($0) } + [0, 0]
    let numbers: [UInt32] = [port, cid, 0]
    let tail = unsafe numbers.withUnsafeBytes { unsafe Array($0) }
    return Address(family: AF_VSOCK, bytes: head + tail, description: "vsock \(cid):\(port)")
  }

  private static func numericName(
    of address: UnsafeMutablePointer<sockaddr>, _ length: socklen_t
  ) -> String {
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let result = unsafe getnameinfo(
      address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
      NI_NUMERICHOST | NI_NUMERICSERV)
    guard result == 0 else { return "?" }
    let (name, number) = (text(host), text(port))
    return name.contains(":") ? "[\(name)]:\(number)" : "\(name):\(number)"
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

/// A name whose addresses could not be found.
package struct ResolutionError: Error, Sendable, Equatable, CustomStringConvertible {
  package let host: String
  package let reason: String

  package var description: String {
    "cannot resolve '\(host)': \(reason)"
  }
}

extension Address {
  /// Calls a function of the C library that takes the address of a socket, such as `bind` or `connect`.
  func pass(to call: (CInt, __CONST_SOCKADDR_ARG, socklen_t) -> CInt, _ socket: Descriptor) -> CInt
  {
    unsafe bytes.withUnsafeBytes { raw -> CInt in
      guard let start = raw.baseAddress else { return -1 }
      return unsafe call(
        socket.number,
        __CONST_SOCKADDR_ARG(__sockaddr__: start.assumingMemoryBound(to: sockaddr.self)),
        socklen_t(raw.count))
    }
  }
}
