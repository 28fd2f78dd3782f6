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
      Connects to the server directly, without nbdd. Fails if the server sends less than 64 KiB within \
      the timeout. Does not transfer what the server reports as zeroes, and writes blocks of zeroes as \
      holes if --output names a regular file. That file is replaced only when everything has been read: \
      after a failure, or Ctrl-C, it is as it was.
      """)

  @OptionGroup var server: ServerOptions
  @Option(
    help: ArgumentHelp(
      "Where to begin, for example 4096 (bytes) or 8MiB (default: 0).", valueName: "SIZE"))
  var offset: ByteCount?
  @Option(
    help: ArgumentHelp(
      "How much to read, for example 4096 (bytes) or 8MiB (default: to the end).",
      valueName: "SIZE"))
  var length: ByteCount?
  @Option(
    help: ArgumentHelp(
      "The file or block device to write, or - for standard output.", valueName: "PATH"),
    completion: .file())
  var output = "-"

  mutating func run() throws {
    let uri = try server.parsed()
    guard output != "" else { throw Failure("--output needs the name of a file, or -", EX_USAGE) }
    guard output != "-" || !Terminal.isTerminal else {
      throw Failure("standard output is a terminal; name a file with --output", EX_USAGE)
    }
    let interrupt = try Wakeup()
    let stream = try server.connect(to: uri, isTotal: false, interrupt: interrupt)
    defer { stream.close() }
    var request = server.request(for: uri)
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
      var copy = try Copy(transmission, range, time: server.time(), interrupt)
      var sink = SparseOutput(file)
      try copy.run(into: &sink)
      try file.finish(length)
    } catch {
      file.discard()
      throw interrupt.isSignalled ? Failure("interrupted; \(file.name) was not written") : error
    }
  }

  /// Returns the range to read.
  private func range(in export: Export) throws(Failure) -> Range<UInt64> {
    let (size, begin) = (export.sizeBytes, offset?.bytes ?? 0)
    guard begin <= size, length?.bytes ?? 0 <= size - begin else {
      throw Failure("the range goes beyond the export, which has \(size) bytes", EX_USAGE)
    }
    // A partial copy must be requested explicitly.
    if length == nil, export.unreachableBytes > 0 {
      throw Failure("the end of the export cannot be read; --length \(size - begin) reads the rest")
    }
    return begin..<(begin + (length?.bytes ?? size - begin))
  }
}
