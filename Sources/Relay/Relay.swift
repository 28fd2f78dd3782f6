// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Connection
package import Kernel
package import NBD

/// Moves the requests of one device between the sockets that the kernel holds and connections that come
/// and go, so that an outage is a pause.
///
/// `run` is for a thread of its own; everything else can be called from any thread and does not wait.
package final class Relay: Sendable {
  package struct Settings: Sendable {
    /// How long a reply may take before the connection is given up.
    package var requestTimeout = Duration.seconds(30)
    /// How many bytes of acknowledged writes may wait for a flush to cover them, beside those that are
    /// under way then.
    package var unflushedLimit = 64 << 20
    #if TEST_SWITCHES
      /// Rules that a test takes out, to show what is lost then.
      package var without: Set<Rule> = []
    #endif

    package init() {}
  }

  package enum Event: Sendable, Equatable {
    /// A connection carries requests, after what the server may have lost has been repeated.
    case up(lane: Int)
    case down(lane: Int, LaneEnd)
    /// The kernel has ended the device, or `stop` was called. So many bytes were acknowledged that the
    /// server may still lose.
    case ended(unflushedBytes: Int)
    /// It could not begin; the kernel finds its sockets closed.
    case failed(SystemError)
  }

  /// The largest request that the kernel's driver makes (Linux 6.1 and 6.12).
  package static let largestRequest = 32 << 20

  package let figures = Figures()
  private let mailbox: Mailbox
  private let sockets: [Descriptor]
  private let laneCount: Int
  private let settings: Settings
  private let report: @Sendable (Event) -> Void

  /// Takes our ends of the sockets whose other ends the kernel gets, and how many connections there may
  /// be at a time.
  ///
  /// `report` is called from the relay's thread, and must not wait.
  package init(
    _ sockets: [Descriptor], laneCount: Int, _ settings: Settings,
    report: @escaping @Sendable (Event) -> Void
  ) throws(SystemError) {
    mailbox = try Mailbox()
    self.sockets = sockets
    self.laneCount = laneCount
    self.settings = settings
    self.report = report
  }

  /// Relays until the kernel has ended the device or `stop` is called.
  package func run() {
    do throws(SystemError) {
      var engine = try Engine(
        sockets, laneCount: laneCount, settings, mailbox, figures, report)
      engine.run()
    } catch {
      for socket in sockets { shutDownSocket(socket) }
      report(.failed(error))
    }
  }

  /// Gives a lane a connection whose negotiation is over, in place of the one it may have.
  package func connected(_ lane: Int, _ stream: ServerStream, _ terms: Negotiated) {
    mailbox.put(.connected(lane: lane, HandedStream(stream: stream), terms))
  }

  /// Gives all connections up; the reports say so, and new ones are awaited.
  package func reconnect() { mailbox.put(.reconnect) }

  /// Gives all connections up, and answers with errors what is held, until there is a connection again.
  package func fail() { mailbox.put(.fail) }

  /// Answers with errors what is held, until there is a connection again.
  package func giveUp() { mailbox.put(.giveUp) }

  /// Ends it; the kernel finds its sockets closed.
  package func stop() { mailbox.put(.stop) }
}
