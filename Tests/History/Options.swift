// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Kernel
internal import Relay

/// What the command line asks for.
struct Options {
  /// What the seeds of scenarios follow from.
  var base = UInt64.random(in: 0..<(1 << 32))
  /// The seed of the only scenario.
  var seed: UInt64?
  var seconds: Int64 = 20
  var operations = Int.max
  var laneCount: Int?
  var jobs = 4
  /// A server stalls in one of so many scenarios.
  var stallPeriod = 40
  /// Kinds of steps that do not happen; besides those "fua" and "late", the executions of what a given-up
  /// connection carried.
  var leftOut: Set<String> = []
  /// An FUA write that a server does by writing and flushing may fail as flushes do.
  var failsFUA = false
  var showsMutants = false
  /// Rules that the relay does not keep to.
  var without: Set<Rule> = []

  static let usage = """
    usage: history [--seconds N] [--operations N] [--lanes N] [--jobs N] [--base N] [--without RULE]
           history --seed N [--lanes N] [--without RULE]
           history --mutants [--seconds N]
    """

  init?(_ arguments: [String]) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      if name == "--mutants" {
        showsMutants = true
        continue
      }
      if name == "--failing-fua" {
        failsFUA = true
        continue
      }
      guard let word = rest.popFirst() else { return nil }
      if name == "--leave-out" {
        leftOut.insert(word)
        continue
      }
      if name == "--without" {
        guard let rule = Rule(rawValue: word) else { return nil }
        without.insert(rule)
        continue
      }
      guard let number = UInt64(word) else { return nil }
      switch name {
      case "--seconds": seconds = Int64(number)
      case "--operations": (operations, seconds) = (Int(number), 86400)
      case "--lanes": laneCount = Int(number)
      case "--jobs": jobs = Int(number)
      case "--base": base = number
      case "--seed": seed = number
      case "--stalls": stallPeriod = Int(number)
      default: return nil
      }
    }
  }

  func apply(to settings: inout Relay.Settings) {
    settings.without = without
  }
}
