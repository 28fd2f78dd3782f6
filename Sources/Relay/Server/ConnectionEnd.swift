// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import NBD

/// Why a connection is no longer used.
package enum ConnectionEnd: Error, Sendable, Equatable {
  /// It was closed or failed, or the server violated the protocol.
  case connection(TransmissionError.Reason)
  /// The server announced that it is shutting down, and has replied to all its requests.
  case shuttingDown
  /// A request got no reply within this time.
  case silent(Duration)
  /// The server refused a replayed write that it had acknowledged (rule `loud`); that many bytes wait.
  case replayRefused(ErrorNumber, of: Command, waiting: Int)
  /// The server could not write acknowledged data to stable storage; `isTold` is whether the kernel got the
  /// error, or else had not requested a flush.
  case flushFailed(ErrorNumber, isTold: Bool)
  /// A flush was in flight on another connection that was lost: whether it failed is unknown.
  case besideLostFlush
  /// A request on it has waited as long as it may, and fails with an error.
  case overdue
  /// The export was abandoned.
  case abandoned
  /// A new connection was requested.
  case asked

  /// Whether it is unlikely to go away on its own.
  package var isPersistent: Bool {
    switch self {
    case .replayRefused, .flushFailed(_, isTold: false): true
    case .connection, .shuttingDown, .silent, .flushFailed(_, isTold: true), .besideLostFlush,
      .overdue, .abandoned, .asked:
      false
    }
  }
}

extension ConnectionEnd: CustomStringConvertible {
  package var description: String {
    switch self {
    case .connection(.closed): "the server closed the connection"
    case .connection(let reason): "\(reason)"
    case .shuttingDown: "the server is shutting down"
    case .silent(let time): "the server has not answered a request for \(Quantities.exactly(time))"
    case .replayRefused(let error, let command, let bytes):
      "the server refuses to repeat a \(command.name) that it had acknowledged before the outage "
        + "(\(error.name)); \(bytes) bytes wait"
    case .flushFailed(let error, _):
      "the server failed to flush what it had acknowledged (\(error.name)), so that is sent again"
    case .besideLostFlush:
      "another connection was lost with a flush under way, so what was acknowledged is sent again"
    case .overdue: "a request has waited as long as it may (giveUpAfter)"
    case .abandoned: "the export has been given up"
    case .asked: "a new connection was asked for"
    }
  }
}
