// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// A message between nbdd and nbdd-keeper: of a fixed size, with descriptors beside it.
///
/// A keeper may be years older than the nbdd that talks to it. So the meaning of a verb never changes, and one that a
/// keeper does not know gets the reply `unknownVerb`.
package struct KeeperMessage: Sendable, Equatable {
  package static let byteCount = 256
  /// The version of the protocol that `hello` carries.
  package static let version: UInt64 = 1

  /// What a client asks for, and what the keeper says.
  ///
  /// The descriptors are those of `KeptDevice`.
  package enum Verb: UInt32, Sendable {
    /// Asks for the version, in `number`; so does the reply.
    case hello = 1
    /// Keep a device that is being set up: Record, node, and for each socket the kernel's end and ours; `number` is
    /// how many sockets there are. EEXIST: there is one of that name, which the kernel serves.
    case keep = 2
    /// Serve the device of that name in NBD_DO_IT; the reply has the id of the thread in `number`.
    case park = 3
    /// Keep a connection to the server as well; `number` is its number. No reply.
    case keepServer = 4
    /// The connection of that number is over. No reply.
    case releaseServer = 5
    /// End the device unless it has ended after `number` milliseconds. No reply.
    case end = 6
    /// Close all descriptors of a device that is not served, or no longer.
    case drop = 7
    /// Send all devices: `kept` for each and `server` for each of its connections, then `done`.
    case list = 8
    /// Tell this connection, from now on, when a device ends.
    case watch = 9
    /// Keep this Record of a device instead of the one before. ENOENT: there is no such device.
    case replaceRecord = 10

    /// The reply to most verbs: `number` is 0 or the error number.
    case done = 100
    /// A device of a list: `number` is the id of its thread, 0 if it is not served.
    case kept = 101
    /// A connection of the device before it in a list: `number` is its number.
    case server = 102
    /// The kernel has ended a device: `number` is 0 or the error number of NBD_DO_IT.
    case ended = 103
    case unknownVerb = 104
  }

  package var verb: Verb
  /// The device; at most 64 bytes.
  package var name: String
  package var number: UInt64

  package init(_ verb: Verb, _ name: String = "", _ number: UInt64 = 0) {
    (self.verb, self.name, self.number) = (verb, name, number)
  }

  /// In the byte order of the machine: the verb, the length of the name, the number, the name.
  package var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Self.byteCount)
    let name = Array(name.utf8.prefix(Self.longestName))
    append(UInt64(verb.rawValue) | UInt64(name.count) << 32, to: &bytes)
    append(number, to: &bytes)
    bytes += name
    while bytes.count < Self.byteCount { bytes.append(0) }
    return bytes
  }

  package static let longestName = 64

  /// Nil if they are no message.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    let first = Self.number(bytes, 0)
    let length = Int(first >> 32)
    guard let verb = Verb(rawValue: UInt32(truncatingIfNeeded: first)), length <= Self.longestName
    else { return nil }
    self.verb = verb
    number = Self.number(bytes, 8)
    name = String(decoding: bytes[16..<16 + length], as: UTF8.self)
  }

  private func append(_ number: UInt64, to bytes: inout [UInt8]) {
    for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * UInt64(shift)))) }
  }

  private static func number(_ bytes: [UInt8], _ place: Int) -> UInt64 {
    (0..<8).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) }
  }
}
