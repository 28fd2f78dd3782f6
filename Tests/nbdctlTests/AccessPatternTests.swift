// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Testing

@testable import nbdctl

struct PlacesTests {
  @Test func `goes through the blocks in order, again and again`() {
    var places = AccessPattern(3, isSequential: true)
    #expect((0..<7).map { _ in places.next() } == [0, 1, 2, 0, 1, 2, 0])
  }

  @Test func `passes over those that are taken, also past the last`() {
    var places = AccessPattern(4, isSequential: true)
    #expect(places.next { $0 == 0 || $0 == 1 } == 2)
    #expect(places.next { $0 == 3 } == 0)
    #expect(places.next() == 1)
  }

  @Test func `comes to every block at random, and to no other`() {
    var places = AccessPattern(5, isSequential: false)
    // That one of them stays away this long is less likely than a fault of the machine.
    #expect(Set((0..<1000).map { _ in places.next() }) == [0, 1, 2, 3, 4])
  }

  @Test func `finds the last one that is free`() {
    var places = AccessPattern(64, isSequential: false)
    for free in UInt64(0)..<64 { #expect(places.next { $0 != free } == free) }
  }
}
