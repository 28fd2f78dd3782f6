// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Glibc
internal import Linux
internal import NBD
internal import Transport

/// `nbdctl read`.
struct ReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read",
    abstract: "Read an export into a file or a pipe.",
    discussion: """
      Talks to the server directly; nbdd need not run. The timeout is for how long the server may \
      send less than 64 KiB of what was asked for. What the server calls zeroes is not transferred. In \
      a regular file named by --output blocks of zeroes become holes. It gets its name when all of it \
      is there: after a failure, or Ctrl-C, what was there before is as it was.
      """)

  @OptionGroup var reaching: ServerOptions
  @ArgumentParser.Option(help: "Where to begin, as 4096 (bytes) or 8MiB (default: 0).")
  var offset: ByteCount?
  @ArgumentParser.Option(help: "How much, as 4096 (bytes) or 8MiB (default: to the end).")
  var length: ByteCount?
  @ArgumentParser.Option(
    help: "The file or block device to write, or - for standard output (default: -).",
    completion: .file())
  var output = "-"

  mutating func run() throws {
    let uri = try reaching.parsed()
    guard output != "" else { throw Failure("--output needs the name of a file, or -", EX_USAGE) }
    guard output != "-" || !Terminal.isTerminal else {
      throw Failure("standard output is a terminal; name a file with --output", EX_USAGE)
    }
    let interrupt = try Wakeup()
    let stream = try reaching.connect(to: uri, isTotal: false, interrupt: interrupt)
    defer { stream.close() }
    var request = reaching.request(for: uri)
    request.contexts = [MetadataContext.allocation]
    let transmission = try Transmission(request, over: stream)
    defer { transmission.disconnect() }
    let range = try range(in: transmission.terms.export)
    let file = try OutputFile(output == "-" ? nil : output)
    let length = range.upperBound - range.lowerBound
    if let capacity = file.capacity, capacity < length {
      throw Failure("\(file.name) has \(capacity) bytes; \(length) are to be written")
    }
    do {
      if file.isDraft { try interrupt.signal(on: SIGINT, SIGTERM, SIGHUP) }
      var copy = try Copy(transmission, range, time: reaching.time(), interrupt)
      var sink = SparseOutput(file)
      try copy.run(into: &sink)
      try file.finish(length)
    } catch {
      file.discard()
      throw interrupt.isSignalled ? Failure("interrupted; \(file.name) was not written") : error
    }
  }

  /// What is to be read.
  private func range(in export: Export) throws(Failure) -> Range<UInt64> {
    let (size, begin) = (export.sizeBytes, offset?.bytes ?? 0)
    guard begin <= size, length?.bytes ?? 0 <= size - begin else {
      throw Failure("the range goes beyond the export, which has \(size) bytes", EX_USAGE)
    }
    // A copy of a part only is what somebody has to ask for.
    if length == nil, export.unreachableBytes > 0 {
      throw Failure("the end of the export cannot be read; --length \(size - begin) reads the rest")
    }
    return begin..<(begin + (length?.bytes ?? size - begin))
  }
}
