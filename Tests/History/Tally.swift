// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What was done, and for what it has been good.
struct Tally {
  var operations = 0
  var scenarios = 0
  var crashes = 0
  var cuts = 0
  var failedFlushes = 0
  /// Changes and flushes done on connections that the relay had given up.
  var lateExecutions = 0
  /// Connections on which the server was too late to be waited for.
  var abandoned = 0
  var stalls = 0
  /// Requests for a new connection, to fail or to give up.
  var commands = 0
  var outages = 0

  static func += (left: inout Tally, right: Tally) {
    left.operations += right.operations
    left.scenarios += right.scenarios
    left.crashes += right.crashes
    left.cuts += right.cuts
    left.failedFlushes += right.failedFlushes
    left.lateExecutions += right.lateExecutions
    left.abandoned += right.abandoned
    left.stalls += right.stalls
    left.commands += right.commands
    left.outages += right.outages
  }

  static let titles = [
    "operations", "scenarios", "crashes", "cuts", "failed flushes", "late", "too late", "stalls",
    "commands", "outages",
  ]

  var counts: [Int] {
    [
      operations, scenarios, crashes, cuts, failedFlushes, lateExecutions, abandoned, stalls,
      commands, outages,
    ]
  }
}

/// What happened in a scenario, if anybody wants to read it.
final class Journal {
  private(set) var lines: [String] = []
  private let isKept: Bool

  init(isKept: Bool) { self.isKept = isKept }

  func note(_ line: @autoclosure () -> String) {
    if isKept { lines.append(line()) }
  }
}
