// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Glibc
internal import Linux
internal import NBD
internal import Transport
internal import Varlink

/// `nbdctl bench`.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure latency and throughput of an export.",
    discussion: """
      Connects to the server directly, without nbdd. Reads blocks at random, and never writes without \
      --write. The timeout is for everything but the measurements themselves. Ctrl-C stops, and prints \
      what has been measured so far.
      """)

  @OptionGroup var server: ServerOptions
  @Option(
    help: ArgumentHelp(
      "Sizes of requests, for example 4KiB,1MiB; can be repeated.", valueName: "SIZE"))
  var blockSize: [String] = []
  @Option(
    help: ArgumentHelp(
      "Numbers of requests in flight, for example 1,16; can be repeated.", valueName: "COUNT"))
  var depth: [String] = []
  @Option(
    help: ArgumentHelp("How long to measure each size with each depth.", valueName: "SECONDS"))
  var seconds = 2.0
  @Flag(help: "Read or write one block after the other, not at random.")
  var sequential = false
  @Flag(help: "Write instead of reading. THIS DESTROYS WHAT THE EXPORT CONTAINS.")
  var write = false
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let uri = try server.parsed()
    let isUsual = blockSize.isEmpty && depth.isEmpty
    let wanted = isUsual ? Workload.usual : try Workload.list(blockSize, depth)
    guard 0.001...86400 ~= seconds else {
      throw Failure("--seconds is a number from 0.001 to 86400", EX_USAGE)
    }
    let interrupt = try Wakeup()
    let stream = try server.connect(
      to: uri, isTotal: true, besides: .seconds(seconds) * wanted.count, interrupt: interrupt)
    defer { stream.close() }
    let transmission = try Transmission(
      server.request(for: uri), over: stream, mostInFlight: Workload.deepest)
    defer { transmission.disconnect() }
    let export = transmission.terms.export
    if write, export.flags.contains(.readOnly) {
      throw Failure("the export is read-only; nothing was written", EX_NOPERM)
    }
    let loads = try fitting(wanted, export, isUsual: isUsual)
    try interrupt.signal(on: SIGINT)
    try measure(loads, transmission, stream.server, interrupt)
  }

  /// Returns the loads that fit the export; those that the user asked for must be among them.
  private func fitting(
    _ wanted: [Workload], _ export: Export, isUsual: Bool
  ) throws(Failure) -> [Workload] {
    var flaws: [String] = []
    let loads = wanted.filter { load in
      guard let flaw = load.flaw(for: export, writes: write) else { return true }
      flaws.append(flaw)
      return false
    }
    if let flaw = flaws.first, !isUsual || loads.isEmpty {
      throw Failure(flaw, isUsual ? 1 : EX_USAGE)
    }
    for flaw in flaws { Terminal.note("\(flaw); left out") }
    return loads
  }

  private func measure(
    _ loads: [Workload], _ transmission: Transmission<ServerStream>, _ server: String,
    _ interrupt: Wakeup
  ) throws(Failure) {
    let export = transmission.terms.export
    let time = Duration.seconds(seconds)
    let kind = (sequential ? "sequential " : "random ") + (write ? "writes" : "reads")
    if !json {
      let size = HumanReadable.size(Int64(export.sizeBytes))
      try Terminal.line("\(kind), \(size) at \(server)")
      try put("\n\(Measurement.head)")
    }
    let progress = Progress()
    defer { progress.remove() }
    var results: [JSON] = []
    var isInterrupted = false
    for (number, load) in loads.enumerated() where !isInterrupted {
      let words = "\(HumanReadable.size(Int64(load.blockBytes))) × \(load.depth)"
      var trial = BenchmarkRun(transmission, load, writes: write, isSequential: sequential)
      let measurement = try trial.run(for: time) { passed in
        progress.show(time * number + min(passed, time), of: time * loads.count, words)
        return !interrupt.isSignalled
      }
      isInterrupted = trial.isInterrupted
      if measurement.latencies.count == 0 { continue }
      results.append(measurement.report)
      progress.remove()
      if !json { try put(measurement.row) }
    }
    if json {
      let document: JSON = [
        "formatVersion": 1,
        "server": JSON(server),
        "sizeBytes": JSON(export.sizeBytes),
        "command": write ? "write" : "read",
        "order": sequential ? "sequential" : "random",
        "interrupted": JSON(isInterrupted),
        "results": JSON(results),
      ]
      try put(document.indentedText + "\n")
    }
    if isInterrupted { throw Failure("interrupted; not all was measured") }
  }
}
