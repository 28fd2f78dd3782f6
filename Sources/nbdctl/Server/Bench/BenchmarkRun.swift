// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux
internal import NBD
internal import Transport

/// One load on a connection: as soon as a reply has come the next request goes out.
struct BenchmarkRun {
  /// A request in flight, and when it went out.
  private struct Turn {
    let cookie: Cookie
    let block: UInt64
    let begin: ContinuousClock.Instant
  }

  private let transmission: Transmission<ServerStream>
  private let load: Workload
  private let payload: [UInt8]?
  private var places: AccessPattern
  private var turns: [Turn] = []
  private var latencies = Histogram()
  /// Whether it was interrupted.
  private(set) var isInterrupted = false

  init(
    _ transmission: Transmission<ServerStream>, _ load: Workload, writes: Bool, isSequential: Bool
  ) {
    self.transmission = transmission
    self.load = load
    payload = writes ? Self.noise(Int(load.blockBytes)) : nil
    places = AccessPattern(
      transmission.terms.export.sizeBytes / load.blockBytes, isSequential: isSequential)
    turns.reserveCapacity(load.depth)
  }

  /// Sends requests for this long, and waits for their replies.
  ///
  /// From time to time `goesOn` is called with the time that has passed; false ends the run, and
  /// what was measured until then counts.
  mutating func run(
    for time: Duration, _ goesOn: (Duration) -> Bool
  ) throws(Failure) -> Measurement {
    let begin = ContinuousClock.now
    var now = begin
    var pulse = begin
    do throws(TransmissionError) {
      while true {
        if now >= pulse {
          pulse = now + .milliseconds(100)
          isInterrupted = !goesOn(now - begin)
        }
        while turns.count < load.depth, now < begin + time, !isInterrupted { try submit() }
        if turns.isEmpty || isInterrupted { break }
        now = try finishNext()
      }
    } catch {
      guard error.isInterruption else { throw Failure(error) }
      isInterrupted = true
    }
    return Measurement(load: load, latencies: latencies, time: now - begin)
  }

  private mutating func submit() throws(TransmissionError) {
    let block = places.next { [turns, payload] block in
      payload != nil && turns.contains { $0.block == block }
    }
    let request = Request(
      payload == nil ? .read : .write, offset: block * load.blockBytes, length: load.blockBytes)
    let begin = ContinuousClock.now
    let cookie = try transmission.submit(request, payload: payload ?? [])
    turns.append(Turn(cookie: cookie, block: block, begin: begin))
  }

  /// Waits for the next reply, and returns the time at which it came.
  private mutating func finishNext() throws(TransmissionError) -> ContinuousClock.Instant {
    let completion = transmission.next()
    let now = ContinuousClock.now
    guard let completion, let index = turns.firstIndex(where: { $0.cookie == completion.cookie })
    else { return now }
    _ = try completion.result.get()
    turns.swapAt(index, turns.count - 1)
    latencies.insert(turns.removeLast().begin.duration(to: now).nanoseconds)
    return now
  }

  /// Returns bytes in which no server finds zeroes, or much to compress.
  private static func noise(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 7)
    while bytes.count < count {
      var number = UInt64.random(in: .min ... .max)
      for _ in 0..<8 {
        bytes.append(UInt8(truncatingIfNeeded: number))
        number >>= 8
      }
    }
    return Array(bytes.prefix(count))
  }
}

extension TransmissionError {
  fileprivate var isInterruption: Bool {
    switch reason {
    case .receiving(.interrupted, _), .sending(.interrupted): true
    default: false
    }
  }
}
