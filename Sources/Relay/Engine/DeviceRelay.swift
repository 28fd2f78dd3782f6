// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
package import Linux
package import NBD

/// Moves the requests of one device between the sockets that the kernel holds and connections that come
/// and go, so that an outage is a pause.
///
/// `run` is for a thread of its own; everything else can be called from any thread and does not wait.
package final class DeviceRelay: Sendable {
  package struct Settings: Sendable {
    /// How long a reply may take before the connection is given up.
    package var requestTimeout: Duration
    /// How many bytes of acknowledged writes may wait for a flush to cover them, beside those that are
    /// under way then.
    package var unflushedLimit: Int
    /// How long a request may wait before it is answered with an error; nil: without end.
    package var giveUpAfter: Duration?
    /// After that the export is given up for good; it counts from the last sign of the server then.
    package var abandons = false
    /// When nothing has come for so long on a connection that is given up, sending ends: a server that has
    /// a part of a request, and replies to others, should get these out first.
    package var quietTime = Duration.milliseconds(30)
    /// The kernel was told that it can flush.
    package var kernelFlushes = true
    #if TEST_SWITCHES
      /// Rules that a test takes out, to show what is lost then.
      package var without: Set<Rule> = []
    #endif

    /// `unflushedLimit` is in bytes.
    package init(requestTimeout: Duration, unflushedLimit: Int) {
      self.requestTimeout = requestTimeout
      self.unflushedLimit = unflushedLimit
    }
  }

  package enum Event: Sendable, Equatable {
    /// A connection carries requests, after what the server may have lost has been repeated.
    case up(connection: Int)
    /// A connection is not used any more.
    case down(connection: Int, ConnectionEnd)
    /// So many requests that change data were on a connection that is lost, and whether the server is done
    /// with them is not known: should it execute them later, that undoes what was written since.
    case unconfirmed(connection: Int, changes: Int)
    /// The server has failed a request, and has perhaps said why; not each of them is reported.
    case requestFailed(NBD.Command, ErrorNumber, text: String?)
    /// So many requests were answered with errors, because they had waited too long, or a user gave them
    /// up; without a connection, all that come are as well until there is one.
    case gaveUp(requests: Int)
    /// No connection is used any more. So many acknowledged bytes were dropped, and so many requests
    /// answered with errors.
    case abandoned(unflushedBytes: Int, requests: Int)
    /// The kernel has ended the device, or `stop` was called. So many bytes were acknowledged that the
    /// server may still lose.
    case ended(unflushedBytes: Int)
    /// It could not begin; the kernel finds its sockets closed.
    case failed(SystemError)
  }

  /// The largest request that the kernel's driver makes (Linux 6.1 and 6.12).
  package static let largestRequest = 32 << 20

  package let counters = RelayCounters()
  private let mailbox: Mailbox
  private let sockets: [Descriptor]
  private let connectionCount: Int
  private let settings: Settings
  private let clock: RelayClock
  private let report: @Sendable (Event) -> Void

  /// Takes our ends of the sockets whose other ends the kernel gets, and how many connections there may
  /// be at a time.
  ///
  /// `report` is called from the relay's thread, and must not block.
  package init(
    _ sockets: [Descriptor], connectionCount: Int, _ settings: Settings,
    clock: RelayClock = .system, report: @escaping @Sendable (Event) -> Void
  ) throws(SystemError) {
    mailbox = try Mailbox()
    self.sockets = sockets
    self.connectionCount = connectionCount
    self.settings = settings
    self.clock = clock
    self.report = report
  }

  /// Relays until the kernel has ended the device or `stop` is called.
  package func run() {
    do throws(SystemError) {
      var engine = try Engine(
        sockets, connectionCount: connectionCount, settings, mailbox, counters, clock, report)
      engine.run()
    } catch {
      for socket in sockets { socket.shutDown() }
      report(.failed(error))
    }
  }

  /// Takes a stream whose negotiation is over as the connection of a number, in place of the one that it
  /// may have.
  package func use(_ stream: HandedStream, _ terms: Negotiated, as connection: Int) {
    mailbox.put(.use(stream, terms, as: ConnectionID(index: connection)))
  }

  /// Gives all connections up; the reports say so, and new ones are awaited.
  package func reconnect() { mailbox.put(.reconnect) }

  /// Gives all connections up, and answers with errors what is held, until there is a connection again.
  package func fail() { mailbox.put(.fail) }

  /// Answers with errors what is held, until there is a connection again; if there is one, what has waited
  /// for a second or longer.
  package func giveUp() { mailbox.put(.giveUp) }

  /// Drops what is kept and held, and answers everything with errors from now on.
  package func abandon() { mailbox.put(.abandon) }

  /// Takes other bounds for waiting, as in `Settings`.
  package func change(giveUpAfter: Duration?, abandons: Bool) {
    mailbox.put(.change(giveUpAfter: giveUpAfter, abandons: abandons))
  }

  /// Has the relay look at its clock, which has been put forward.
  package func wake() { mailbox.put(.wake) }

  /// Ends it; the kernel finds its sockets closed.
  package func stop() { mailbox.put(.stop) }
}
