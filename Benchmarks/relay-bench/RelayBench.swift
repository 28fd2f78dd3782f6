// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import CAllocations
internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Transport

/// Loads a server through the relay, or without it, in place of the kernel.
///
/// Prints requests, microseconds, microseconds of processor time of all threads except the one that plays
/// the kernel, and allocations, after a warm-up that does not count.
@main
struct RelayBench: ParsableCommand {
  @Argument(help: "The server.")
  var uri: String
  @Flag(help: "Talk to the server without the relay.")
  var direct = false
  @Flag(help: "Let the relay sleep whenever there is nothing to do.")
  var noBusyPoll = false
  @Flag(help: "Write; else read.")
  var write = false
  @Flag(help: "Have the server send structured replies to the relay.")
  var structured = false
  @ArgumentParser.Option(help: "Bytes of each request.")
  var block = 4096
  @ArgumentParser.Option(help: "Requests in flight.")
  var depth = 1
  @ArgumentParser.Option(help: "Milliseconds to measure for.")
  var time = 1000
  @ArgumentParser.Option(help: "End after so many requests.")
  var requests = Int.max
  @ArgumentParser.Option(help: "Requests before the measurement.")
  var warmUp = 500
  @ArgumentParser.Option(help: "Directory with ca-cert.pem.")
  var tlsCertificates: String?

  func run() throws {
    let (stream, terms) = try connect()
    let pair = try SocketPair()
    var kernel = try PlayedKernel(
      direct ? .server(stream) : .socket(pair.kernel), write ? .write : .read, blockBytes: block,
      depth: depth, exportBytes: terms.export.sizeBytes)
    if !direct {
      var settings = DeviceRelay.Settings(requestTimeout: .seconds(30), unflushedLimit: 64 << 20)
      settings.spins = !noBusyPoll
      let record = try Record(
        named: "bench", socketCount: 1, unflushedLimit: settings.unflushedLimit)
      let relay = try DeviceRelay(record, [pair], connectionCount: 1, settings) { event in
        if case .down(_, let end) = event { print("lost: \(end)") }
      }
      relay.use(HandedStream(stream), terms, as: 0)
      try Thread.start("relay") { relay.run() }
    }
    _ = try kernel.run(for: .seconds(60), atMost: warmUp)
    let (start, work, before) = (Clocks.monotonic, workOfOthers, allocations())
    let count = try kernel.run(for: .milliseconds(time), atMost: requests)
    let (end, workAfter, after) = (Clocks.monotonic, workOfOthers, allocations())
    print(count, end - start, workAfter - work, after - before)
  }

  private var workOfOthers: Int64 {
    var (all, own) = (timespec(), timespec())
    unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all)
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own)
    return Int64(all.tv_sec - own.tv_sec) * 1_000_000 + Int64(all.tv_nsec - own.tv_nsec) / 1000
  }

  private func connect() throws -> (ServerStream, Negotiated) {
    let uri = try URI(parsing: uri, allowing: .usual.union(.localFiles))
    var files = SecurityFiles()
    files.directory = tlsCertificates
    let pace = Pace(connectTime: .seconds(10), stepTime: .seconds(10))
    let stream = try ServerStream.connect(
      to: uri.transport, pace, try files.credentials(for: uri))
    stream.socket.prepareForRequests()
    var request = ExportRequest(uri.exportName)
    request.security = uri.tls == nil ? .none : .required
    request.structuredReplies = structured && !direct
    return (stream, try negotiate(request, over: stream))
  }
}
