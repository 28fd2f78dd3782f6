// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Synchronization
internal import TestSupport

/// Runs scenario after scenario, several at a time, until one fails or there were enough.
final class Search: Sendable {
  struct Finding {
    var plan: Plan
    var violation: Violation
    var journal: [String]
  }

  private struct State {
    /// By the number of connections.
    var tallies: [Int: Tally] = [:]
    var finding: Finding?
    var begun: UInt64 = 0
    var running = 0

    var operationCount: Int { tallies.values.reduce(0) { $0 + $1.operations } }
  }

  private let options: Options
  private let state = Mutex(State())

  init(_ options: Options) { self.options = options }

  /// What was done, by the number of connections, and what was found.
  func run() throws -> ([Int: Tally], Finding?) {
    let end = Clocks.monotonic + options.seconds * 1_000_000
    let processors = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    state.withLock { $0.running = options.jobs }
    for job in 0..<options.jobs {
      try Thread.start("history") { [self] in
        stayOnProcessor(job % processors)
        work(until: end)
        state.withLock { $0.running -= 1 }
      }
    }
    var next = Clocks.monotonic + 60_000_000
    while state.withLock({ $0.running > 0 }) {
      usleep(20_000)
      guard Clocks.monotonic > next else { continue }
      next += 60_000_000
      print("so far \(state.withLock { $0.operationCount }) operations")
      fflush(nil)
    }
    return state.withLock { ($0.tallies, $0.finding) }
  }

  private func work(until end: Int64) {
    guard let doorway = try? Doorway() else { return }
    while Clocks.monotonic < end, let seed = nextSeed() {
      let plan = Plan(seed: seed, options)
      let journal = Journal(isKept: options.keepsJournals)
      guard let scenario = try? Scenario(plan, options, doorway, journal) else { return }
      let (tally, violation) = scenario.run()
      state.withLock { state in
        state.tallies[plan.connectionCount, default: Tally()] += tally
        if let violation, state.finding == nil {
          state.finding = Finding(plan: plan, violation: violation, journal: journal.lines)
        }
      }
    }
  }

  private func nextSeed() -> UInt64? {
    state.withLock { state in
      guard state.finding == nil, state.operationCount < options.operations else { return nil }
      state.begun += 1
      var random = SplitMix(seed: options.base &+ state.begun &* 0x1_0000_0000)
      return random.next() >> 20
    }
  }
}
