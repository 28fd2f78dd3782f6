// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

@testable import Daemon
import Testing

/// Which devices a stop gives up: looked at once a second, with a limit of 10 s.
struct StopProgressTests {
  private let start = ContinuousClock.now
  private var progress: StopProgress
  private let limit = Duration.seconds(10)

  init() {
    progress = StopProgress(moved: 0, start)
  }

  private mutating func look(_ second: Double, moved: Int, isDetaching: Bool = true)
    -> StopProgress.Verdict
  {
    progress.verdict(
      moved: moved, isDetaching: isDetaching, start + .seconds(second), limit: limit)
  }

  @Test("last writes that flow are waited for, however long they take")
  mutating func flowing() {
    for second in 1...100 { #expect(look(Double(second), moved: second) == .progress) }
  }

  @Test("a device that moves nothing has its limit, from its last progress on")
  mutating func standingStill() {
    #expect(look(3, moved: 1) == .progress)
    for second in 4..<13 { #expect(look(Double(second), moved: 1) == .wait) }
    #expect(look(13, moved: 1) == .giveUp)
  }

  @Test("a device in use has its limit, however much it moves")
  mutating func inUse() {
    var moved = 0
    for tenth in 1..<100 {
      moved += 1
      if tenth % 5 == 0 { progress.begin(start + .seconds(Double(tenth) / 10)) }
      if tenth % 5 == 1 { progress.refused() }
      if tenth % 10 == 0 { #expect(look(Double(tenth) / 10, moved: moved) == .wait) }
    }
    progress.refused()
    #expect(look(10, moved: moved, isDetaching: false) == .giveUp)
  }

  @Test("a device that was in use is not given up in the middle of its last writes")
  mutating func usersGone() {
    progress.refused()
    progress.begin(start + .seconds(9.5))
    for second in 10..<13 { #expect(look(Double(second), moved: second) == .wait) }
    for second in 14..<40 { #expect(look(Double(second), moved: second) == .progress) }
    for second in 40..<49 { #expect(look(Double(second), moved: 39) == .wait) }
    #expect(look(49, moved: 39) == .giveUp)
  }

  @Test("an attempt that begins after the limit gets no time")
  mutating func tooLate() {
    progress.refused()
    progress.begin(start + .seconds(10.1))
    #expect(look(11, moved: 1) == .giveUp)
  }
}
