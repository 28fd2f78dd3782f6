// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The place of an element in the table of its kind, which is no place in any other.
protocol Identifier: Strideable, Sendable where Stride == Int {
  init(index: Int)
  var index: Int { get }
}

extension Identifier {
  func distance(to other: Self) -> Int { other.index - index }
  func advanced(by distance: Int) -> Self { Self(index: index + distance) }
}

/// A connection to the server, whether it is up or not.
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

/// The place of a request in the relay.
struct SlotID: Identifier {
  /// There are at most so many: a cookie has 16 bits for one.
  static let maximumCount = Int(UInt16.max)

  private let number: UInt16

  init(index: Int) { number = UInt16(index) }
  var index: Int { Int(number) }
}

/// A cookie has the number of a sending in its upper 48 bits, and the slot in its lower 16.
extension SlotID {
  /// The slot that a cookie names; there need be none.
  init(in cookie: UInt64) { number = UInt16(truncatingIfNeeded: cookie) }

  /// The cookie for the sending of that number.
  func cookie(forSending sending: UInt64) -> UInt64 { sending << 16 | UInt64(number) }

  /// Which sending a cookie stands for.
  static func sending(in cookie: UInt64) -> UInt64 { cookie >> 16 }
}
