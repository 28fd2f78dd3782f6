// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import Relay

/// A randomized check of the real relay: whatever a server with a volatile cache, the network and the clock do
/// to it, reads find what was written, what was promised to be durable is, and every request is answered once.
@main
enum History {
  static func main() {
    guard let options = Options(Array(CommandLine.arguments.dropFirst())) else {
      print(Options.usage)
      exit(64)
    }
    do {
      if let seed = options.seed {
        stayOnProcessor(0)
        exit(try replay(Plan(seed: seed, options), options) ? 0 : 1)
      }
      let isGood = try options.showsMutants ? mutants(options) : search(options)
      exit(isGood ? 0 : 1)
    } catch {
      print("history: \(error)")
      exit(2)
    }
  }

  /// Whether each rule is missed when it is taken out.
  private static func mutants(_ options: Options) throws -> Bool {
    var isEachCaught = true
    for rule in Rule.allCases {
      var options = options
      options.without = [rule]
      let start = Clocks.monotonic
      let (tallies, finding) = try Search(options).run()
      let milliseconds = (Clocks.monotonic - start) / 1000
      let count = tallies.values.reduce(0) { $0 + $1.operations }
      print(
        finding == nil ? "MISSED " : "caught ", "without \(rule), \(count) operations,",
        "\(milliseconds) ms", finding.map { ": seed \($0.plan.seed): \($0.violation)" } ?? "")
      isEachCaught = isEachCaught && finding != nil
    }
    return isEachCaught
  }

  /// Whether no scenario fails.
  private static func search(_ options: Options) throws -> Bool {
    print("seeds from \(options.base)")
    let start = Clocks.monotonic
    let (tallies, finding) = try Search(options).run()
    let seconds = Double(Clocks.monotonic - start) / 1e6
    show(tallies, seconds)
    guard let finding else { return true }
    let command = ["Tests/History/run --seed \(finding.plan.seed)"] + options.shape
    print("FAILED: \(finding.violation); again: \(command.joined(separator: " "))")
    if try replay(finding.plan, options) { for line in finding.journal { print("  \(line)") } }
    if options.isUnreachable { print("a host that cannot be reached is outside of the promise") }
    return options.isUnreachable
  }

  /// Whether a scenario does not fail when it is played again; shows how it fails otherwise.
  private static func replay(_ plan: Plan, _ options: Options) throws -> Bool {
    let replay = Replay(options: options, doorway: try Doorway())
    print("seed \(plan.seed): \(plan.description)")
    guard try replay.play(plan) != nil else {
      print("it does not fail when it is played again")
      return true
    }
    let small = try replay.shrink(plan)
    guard let (violation, lines) = try replay.play(small) else { return false }
    print("\(small.steps.count) of \(plan.steps.count) steps are enough:")
    for line in lines { print("  \(line)") }
    print("FAILED: \(violation)")
    return false
  }

  private static func show(_ tallies: [Int: Tally], _ seconds: Double) {
    func row(_ words: [String]) {
      print(words.map { String(repeating: " ", count: max(0, 15 - $0.count)) + $0 }.joined())
    }
    row(["connections"] + Tally.titles)
    var all = Tally()
    for (connections, tally) in tallies.sorted(by: { $0.key < $1.key }) {
      row(["\(connections)"] + tally.counts.map(String.init))
      all += tally
    }
    row(["all"] + all.counts.map(String.init))
    print("\(Int(seconds)) s, \(Int(Double(all.operations) / seconds)) operations a second")
  }
}
