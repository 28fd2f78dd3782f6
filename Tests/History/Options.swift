// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import Relay

/// What the command line asks for.
struct Options {
  /// What the seeds of scenarios follow from.
  var base = UInt64.random(in: 0..<(1 << 32))
  /// The seed of the only scenario.
  var seed: UInt64?
  var seconds: Int64 = 20
  var operations = Int.max
  /// How many scenarios run at a time.
  var jobs = 4
  /// How often a scenario is played until it counts as one that does not fail.
  var tries = 3
  /// Every scenario is written down, for one that does not fail when it is played again; slower.
  var keepsJournals = false
  var showsMutants = false

  var connectionCount: Int?
  /// A server stalls in one of so many scenarios.
  var stallPeriod = 40
  /// Kinds of steps that do not happen; besides those "fua" and "late", the executions of what a given-up
  /// connection carried.
  var leftOut: Set<String> = []
  /// A server goes on with what came on connections that the network has cut: nobody can wait for that.
  var isUnreachable = false
  /// Rules that the relay does not keep to.
  var without: Set<Rule> = []
  /// The arguments that scenarios depend on.
  private(set) var shape: [String] = []

  static let usage = """
    usage: history [--seconds N | --operations N] [--base N] [--jobs N] [--journals] [SHAPE]
           history --seed N [--tries N] [SHAPE]
           history --mutants [--seconds N] [SHAPE]
    shape: [--connections N] [--stalls N] [--unreachable] [--leave-out STEP]... [--without RULE]...
    """

  init?(_ arguments: [String]) {
    var rest = arguments[...]
    func number() -> UInt64? { rest.popFirst().flatMap { UInt64($0) } }
    while let name = rest.first {
      let before = rest
      var isOfShape = true
      rest.removeFirst()
      switch name {
      case "--connections":
        guard let count = number(), (1...16).contains(count) else { return nil }
        connectionCount = Int(count)
      case "--stalls":
        guard let period = number(), period > 0 else { return nil }
        stallPeriod = Int(period)
      case "--unreachable": isUnreachable = true
      case "--leave-out":
        guard let kind = rest.popFirst() else { return nil }
        leftOut.insert(kind)
      case "--without":
        guard let rule = rest.popFirst().flatMap({ Rule(rawValue: $0) }) else { return nil }
        without.insert(rule)
      default:
        isOfShape = false
        guard take(name, number) else { return nil }
      }
      if isOfShape { shape += before.prefix(before.count - rest.count) }
    }
  }

  private mutating func take(_ name: String, _ number: () -> UInt64?) -> Bool {
    switch name {
    case "--mutants": showsMutants = true
    case "--journals": keepsJournals = true
    default: return takeNumber(name, number)
    }
    return true
  }

  private mutating func takeNumber(_ name: String, _ number: () -> UInt64?) -> Bool {
    guard let number = number() else { return false }
    switch name {
    case "--seconds": seconds = Int64(clamping: number)
    case "--operations": (operations, seconds) = (Int(clamping: number), 1 << 32)
    case "--jobs": jobs = max(1, Int(clamping: number))
    case "--base": base = number
    case "--seed": seed = number
    case "--tries": tries = max(1, Int(clamping: number))
    default: return false
    }
    return true
  }

  func apply(to settings: inout DeviceRelay.Settings) {
    settings.without = without
    settings.quietTime = .milliseconds(2)
  }
}
