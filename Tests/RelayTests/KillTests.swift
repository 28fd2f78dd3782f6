// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import Relay
internal import Testing
internal import TestSupport

// Within that suite, so that its tests do not keep two threads busy at the same time.
extension RecordTests {
  /// A process that relays is killed at any moment, again and again, and another continues.
  struct KillTests {
    @Test("nothing is lost or wrong after 1,000 kills of a process", .timeLimit(.minutes(10)))
    func kills() throws {
      let (longest, count) = try run(kills: 1000)
      print("figure: 1,000 kills, \(count) requests, longest wait \(longest.milliseconds) ms")
    }

    @Test("something is, if processes know neither notes nor counters", .timeLimit(.minutes(10)))
    func blind() {
      #expect(throws: (any Error).self) {
        try run(kills: 1000, arguments: ["blind"], within: .seconds(5))
      }
    }

    /// Returns the longest time without an answer, and the number of requests.
    private func run(
      kills: Int, arguments: [String] = [], within time: Duration = .seconds(60)
    ) throws -> (Duration, Int) {
      let processes = try Processes(kills: kills, arguments)
      let load = Load([processes.kernel], seed: 3, diskByteCount: 256 << 10, largest: 6, depth: 12)
      defer { processes.end() }
      var (answered, last, longest) = (0, ContinuousClock.now, Duration.zero)
      let attend = {
        if load.count > answered {
          longest = max(longest, .now - last)
          (answered, last) = (load.count, .now)
        }
        try processes.attend()
      }
      while !processes.areAllKilled {
        try load.run(count: 100, within: time, attend)
      }
      try load.finish(within: time, attend)
      return (longest, load.count)
    }
  }
}

/// Processes that relay one device, one after the other.
private final class Processes {
  let kernel: KernelSide
  /// How many there were.
  private(set) var count = 0
  var areAllKilled: Bool { count > kills }

  private let kills: Int
  private let command: [String]
  private let pair: SocketPair
  private let record: Record
  private let server = VolatileServer()
  private let peer: Peer
  private var random = SplitMix(seed: 5)
  private var process: pid_t = 0
  private var connection: Descriptor?

  init(kills: Int, _ arguments: [String]) throws {
    self.kills = kills
    command = [builtProgram("relay-process")] + arguments
    pair = try SocketPair()
    peer = try Peer()
    record = try Record(named: "test", socketCount: 1, unflushedLimit: 1 << 20)
    kernel = KernelSide(pair.kernel)
    try start()
  }

  /// Starts the next one if the present one has been killed; to be called again and again.
  func attend() throws {
    var status: CInt = 0
    guard process != 0, unsafe waitpid(process, &status, WNOHANG) == process else { return }
    // Killed, and not ended by itself.
    guard status == SIGKILL else { throw Wrong("process \(count) ended with status \(status)") }
    try start()
  }

  func end() {
    kill(process, SIGKILL)
    waitpid(process, nil, 0)
  }

  private func start() throws {
    count += 1
    let (ours, theirs) = try MessageSocket.pair()
    let kept = [record.file.descriptor, pair.kernel, pair.ours] + (connection.map { [$0] } ?? [])
    try ours.send(Array(peer.path.utf8), kept, waits: true)
    process = try spawn(command, input: .descriptor(theirs.descriptor))
    guard let reply = try ours.receive(1, waits: true), let own = reply.descriptors.first else {
      throw Wrong("process \(count) did not connect")
    }
    connection = own
    try server.serve(try peer.accept())
    guard !areAllKilled else { return }
    // Some within the recovery, the others at any time after it.
    let time = UInt32.random(in: 0..<(count % 3 == 0 ? 3000 : 40_000), using: &random)
    try Thread.start("killer") { [process] in
      usleep(time)
      kill(process, SIGKILL)
    }
  }
}
