// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import TestSupport

@testable import Daemon

/// What holds in a lifecycle whatever happens, and in whatever order.
nonisolated struct LifecycleWalkTests {
  @Test func `nothing is wrong after any six events`() {
    var worlds = [World()]
    for _ in 1...6 {
      worlds = worlds.flatMap { world in world.possible.map { world.after($0) } }
      for world in worlds where !isSound(world) { return }
    }
    // Should the number of worlds collapse, the test has lost its meaning.
    #expect(worlds.count > 5000)
  }

  @Test(arguments: 1...10)
  func `nothing is wrong on a long way by chance`(seed: UInt64) throws {
    var chance = SplitMix(seed: seed)
    var world = World()
    var phases: Set<String> = []
    // Some devices have been left by an earlier nbdd.
    if seed.isMultiple(of: 2) { world.happens(.adopted(isSettled: seed.isMultiple(of: 4))) }
    for _ in 1...10_000 {
      let event = try #require(world.possible.randomElement(using: &chance))
      world.happens(event)
      guard isSound(world) else { return }
      phases.insert("\(world.device.phase)")
    }
    #expect(phases.count >= 15)
  }

  /// Whether nothing is wrong, and every detach from here comes to an end.
  private func isSound(_ world: World) -> Bool {
    if let flaw = world.flaw {
      Issue.record("\(flaw) after \(world.history)")
      return false
    }
    for force in [true, false] {
      for badly in [true, false] {
        var rest = world.after(.detach(force: force))
        let isAnswered = rest.runsOut(badly: badly, acceptingRefusal: !force)
        if !isAnswered || rest.flaw != nil {
          Issue.record("\(rest.flaw ?? "a detach has no end") after \(rest.history)")
          return false
        }
      }
    }
    return true
  }
}
