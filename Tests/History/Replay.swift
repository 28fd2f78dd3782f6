// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// Plays a scenario again, and leaves out what it does not need to fail.
struct Replay {
  let options: Options
  let doorway: Doorway

  /// The violation and what led to it; nil if it does not fail.
  func play(_ plan: Plan) throws(SystemError) -> (Violation, [String])? {
    for _ in 0..<options.tries {
      let journal = Journal(isKept: true)
      let scenario = try Scenario(plan, options, doorway, journal)
      if let violation = scenario.run().1 { return (violation, journal.lines) }
    }
    return nil
  }

  /// Drops steps as long as it still fails, for at most a minute.
  func shrink(_ plan: Plan) throws(SystemError) -> Plan {
    var best = plan
    let end = Clocks.monotonic + 60_000_000
    var size = plan.steps.count
    while size >= 1 {
      var start = 0
      var isSmaller = false
      while start < best.steps.count {
        guard Clocks.monotonic < end else { return best }
        var candidate = best
        candidate.steps.removeSubrange(start..<min(start + size, best.steps.count))
        if try play(candidate) != nil {
          best = candidate
          isSmaller = true
        } else {
          start += size
        }
      }
      if size > 1 || !isSmaller { size /= 2 }
    }
    return best
  }
}
