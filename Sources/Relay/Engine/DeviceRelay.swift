// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
package import Linux
package import NBD

/// Relays the requests of one device between the kernel's sockets and server connections that come and
/// go, so that an outage is only a pause.
///
/// `run` needs a thread of its own; everything else can be called from any thread and does not block.
package final class DeviceRelay: Sendable {
  package struct Settings: Sendable {
    /// How long a reply may take before the relay gives up the connection.
    package var requestTimeout: Duration
    /// How many bytes of acknowledged writes may wait for a flush to cover them, not counting those in
    /// flight at that time.
    package var unflushedLimit: Int
    /// How long a request may wait before it fails with an error; nil: without limit.
    package var giveUpAfter: Duration?
    /// After that time the relay abandons the export; the time then counts from the last sign of life of the
    /// server.
    package var abandons = false
    /// After this time without incoming data on a connection that was given up, the relay shuts down sending:
    /// a server that has part of a request should be able to send its replies to others first.
    package var quietTime = Duration.milliseconds(30)
    /// Whether the kernel was told that it can flush.
    package var kernelFlushes = true
    /// Whether the thread may poll for a moment before it sleeps, where there is more than one processor.
    package var spins = true
    #if TEST_SWITCHES
      /// Rules that a test disables, to show what is lost without them.
      package var without: Set<Rule> = []
      /// What a test lets the successor of a relay not know.
      package var ignoring: Set<Evidence> = []
    #endif

    /// `unflushedLimit` is in bytes.
    package init(requestTimeout: Duration, unflushedLimit: Int) {
      self.requestTimeout = requestTimeout
      self.unflushedLimit = unflushedLimit
    }
  }

  /// What says how many bytes a relay has moved that has ended during the transfer.
  package enum Evidence: Sendable {
    /// The kernel's note of the call.
    case note
    /// The counter of the socket.
    case counter
  }

  package enum Event: Sendable, Equatable {
    /// A connection carries requests, after the writes that the server may have lost were replayed.
    case up(connection: Int)
    /// A connection is no longer used.
    case down(connection: Int, ConnectionEnd)
    /// That many requests that change data were on a lost connection, and it is unknown whether the server
    /// is done with them: if it executes them later, that undoes what was written since.
    case unconfirmed(connection: Int, changes: Int)
    /// The server returned an error for a request, possibly with a text; not every error is reported.
    case requestFailed(NBD.Command, ErrorNumber, text: String?)
    /// That many requests failed with errors because they had waited too long or a user gave them up;
    /// without a connection, all new requests fail as well until there is one.
    case gaveUp(requests: Int)
    /// No connection will be used any more. That many acknowledged bytes were dropped, and that many
    /// requests failed with errors.
    case abandoned(unflushedBytes: Int, requests: Int)
    /// The stream with that number is over: the server is done with it, or nothing can be done to find out.
    case released(number: Int)
    /// The relay has let go of the device, as `leave` asked for: a successor can continue.
    case left
    /// The kernel has ended the device, or `stop` was called. The server may still lose that many
    /// acknowledged bytes.
    case ended(unflushedBytes: Int)
    /// The relay could not start; the kernel finds its sockets closed.
    case failed(RelayError)
  }

  /// The largest request that the kernel's driver makes (Linux 6.1 and 6.12).
  package static let largestRequest = 32 << 20

  package let counters = RelayCounters()
  private let mailbox: Mailbox
  /// What survives the relay.
  package let record: Record
  private let sockets: [SocketPair]
  private let former: [FormerConnection]
  private let connectionCount: Int
  private let settings: Settings
  private let clock: RelayClock
  private let report: @Sendable (Event) -> Void

  /// Takes the Record of the device, the sockets whose other ends the kernel has, the connections that a
  /// predecessor has left, and the maximum number of simultaneous connections.
  ///
  /// The Record has as many sockets. `report` is called on the relay's thread and must not block.
  package init(
    _ record: Record, _ sockets: [SocketPair], former: [FormerConnection] = [],
    connectionCount: Int, _ settings: Settings, clock: RelayClock = .system,
    report: @escaping @Sendable (Event) -> Void
  ) throws(SystemError) {
    precondition(sockets.count == record.socketCount, "a Record of another device")
    mailbox = try Mailbox()
    self.record = record
    self.sockets = sockets
    self.former = former
    self.connectionCount = connectionCount
    self.settings = settings
    self.clock = clock
    self.report = report
  }

  /// Relays until the kernel ends the device, or `stop` or `leave` is called.
  package func run() {
    do throws(RelayError) {
      try acquire(record.fence)
      defer { record.fence.unlock() }
      try relay()
    } catch {
      // If another relay serves the device, the sockets are not ours.
      if error != .inUse { for socket in sockets { socket.ours.shutDown() } }
      report(.failed(error))
    }
  }

  private func relay() throws(RelayError) {
    record.beginNotingFaults()
    defer { FaultNote.end() }
    do {
      var engine = try Engine(
        record, sockets, connectionCount: connectionCount, settings, mailbox, counters, clock,
        report)
      try engine.recover()
      engine.begin(after: former)
      engine.run()
    } catch let error as SystemError {
      throw .system(error)
    } catch let error as Record.Flaw {
      throw .record(error)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// Waits until the predecessor's thread has ended, which it may be doing.
  private func acquire(_ fence: RobustMutex) throws(RelayError) {
    let deadline = ContinuousClock.now + Self.longestEnd
    while !fence.tryLock() {
      guard ContinuousClock.now < deadline else { throw .inUse }
      Thread.pause(.milliseconds(1))
    }
  }

  private static let longestEnd = Duration.seconds(5)

  /// What a successor of any version needs, to be kept instead of the Record; after `left`.
  ///
  /// Blocks for as long as copying takes.
  package func neutralForm(named name: String) throws(RelayError) -> MemoryFile {
    try acquire(record.fence)
    defer { record.fence.unlock() }
    return try mapError(try NeutralForm.write(record, named: name), to: RelayError.record)
  }

  /// Uses a negotiated stream as the connection with the given index, replacing an existing one.
  ///
  /// `number` is the caller's own for the stream; with one, its end is reported.
  package func use(
    _ stream: HandedStream, _ terms: Negotiated, as connection: Int, number: Int = 0
  ) {
    mailbox.put(.use(stream, terms, as: ConnectionID(index: connection), number: number))
  }

  /// Gives up all connections, reports that, and waits for new ones.
  package func reconnect() { mailbox.put(.reconnect) }

  /// Gives up all connections, and fails held requests with errors until there is a connection again.
  package func fail() { mailbox.put(.fail) }

  /// Fails held requests with errors until there is a connection again; if there is one, only requests
  /// that have waited for at least a second.
  package func giveUp() { mailbox.put(.giveUp) }

  /// Drops kept writes and held requests, and fails everything with errors from now on.
  package func abandon() { mailbox.put(.abandon) }

  /// Changes the limits for waiting, as in `Settings`.
  package func change(giveUpAfter: Duration?, abandons: Bool) {
    mailbox.put(.change(giveUpAfter: giveUpAfter, abandons: abandons))
  }

  /// Makes the relay check its clock after the clock was advanced.
  package func wake() { mailbox.put(.wake) }

  /// Ends the relay and leaves the device to a successor, after up to a second for the requests in flight.
  package func leave() { mailbox.put(.leave) }

  /// Stops the relay; the kernel finds its sockets closed.
  package func stop() { mailbox.put(.stop) }
}

/// Why a relay could not start.
package enum RelayError: Error, Sendable, Equatable, CustomStringConvertible {
  case system(SystemError)
  /// The Record does not say how to continue.
  case record(Record.Flaw)
  /// Another relay serves the device.
  case inUse

  package var description: String {
    switch self {
    case .system(let error): error.description
    case .record(let flaw): "what was left of the device cannot be used: \(flaw)"
    case .inUse: "another process serves the device"
    }
  }
}
