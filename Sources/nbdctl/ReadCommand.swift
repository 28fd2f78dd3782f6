// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Connection
internal import Glibc
internal import Kernel
internal import NBD

/// `nbdctl read`.
struct ReadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "read",
    abstract: "Read an export into a file or a pipe.",
    discussion: """
      Talks to the server directly; nbdd need not run. The timeout is for each request. What the \
      server calls zeroes is not transferred, and becomes holes in a regular file named by --output.
      """)

  @OptionGroup var reaching: Reaching
  @ArgumentParser.Option(help: "Where to begin, in bytes.")
  var offset: UInt64 = 0
  @ArgumentParser.Option(help: "How many bytes (default: to the end).")
  var length: UInt64?
  @ArgumentParser.Option(help: "The file to write (default: standard output).")
  var output: String?

  mutating func run() throws {
    let uri = try reaching.parsed()
    guard output != nil || !Terminal.isTerminal else {
      throw Failure("standard output is a terminal; name a file with --output", EX_USAGE)
    }
    let stream = try reaching.connect(to: uri, isTotal: false)
    defer { stream.close() }
    var request = reaching.request(for: uri)
    request.contexts = [MetadataContext.allocation]
    let transmission = try Transmission(request, over: stream)
    defer { transmission.disconnect() }
    let size = transmission.terms.export.sizeBytes
    guard offset <= size, length ?? 0 <= size - offset else {
      throw Failure("the range goes beyond the export, which has \(size) bytes", EX_USAGE)
    }
    let range = offset..<(offset + (length ?? size - offset))
    let sink = try OutputFile(output)
    var copy = Copy(transmission, range)
    try copy.run(into: sink)
    try sink.finish(range.upperBound - range.lowerBound)
  }
}
