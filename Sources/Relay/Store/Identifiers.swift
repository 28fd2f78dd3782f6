// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The index of an element in the table of its kind, not valid in any other table.
protocol Identifier: Strideable, Sendable where Stride == Int {
  init(index: Int)
  var index: Int { get }
}

extension Identifier {
  func distance(to other: Self) -> Int { other.index - index }
  func advanced(by distance: Int) -> Self { Self(index: index + distance) }
}

/// A connection to the server, whether up or not.
struct ConnectionID: Identifier {
  private let number: UInt16

  init(index: Int) { number = UInt16(index) }
  var index: Int { Int(number) }
}

/// A socket whose other end the kernel holds.
struct SocketID: Identifier {
  private let number: UInt16

  init(index: Int) { number = UInt16(index) }
  var index: Int { Int(number) }
}

/// The index of a request in the relay.
struct SlotID: Identifier {
  /// The maximum number of slots: a cookie has 16 bits for the slot.
  static let maximumCount = Int(UInt16.max)

  private let number: UInt16

  init(index: Int) { number = UInt16(index) }
  var index: Int { Int(number) }
}

/// A cookie has the number of a transmission in its upper 48 bits, and the slot in its lower 16.
extension SlotID {
  /// The slot that a cookie names, which need not exist.
  init(in cookie: UInt64) { number = UInt16(truncatingIfNeeded: cookie) }

  /// The cookie for the transmission with that number.
  func cookie(forSending sending: UInt64) -> UInt64 { sending << 16 | UInt64(number) }

  /// The number of the transmission that a cookie identifies.
  static func sending(in cookie: UInt64) -> UInt64 { cookie >> 16 }
}
