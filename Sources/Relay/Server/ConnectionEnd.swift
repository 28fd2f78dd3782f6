// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
package import NBD

/// Why a connection is not used any more.
package enum ConnectionEnd: Error, Sendable, Equatable {
  /// It was closed or failed, or the server violated the protocol.
  case connection(TransmissionError.Reason)
  /// The server said that it is going away, and has answered what it had.
  case shuttingDown
  /// A request was not answered for so long.
  case silent(Duration)
  /// The server does not take again what it had acknowledged (rule `loud`); so many bytes of it wait.
  case replayRefused(ErrorNumber, of: Command, waiting: Int)
  /// The server could not bring to stable storage what it had acknowledged; the kernel was told so, or
  /// has not asked for it.
  case flushFailed(ErrorNumber, isTold: Bool)
  /// A flush was under way on another connection that was lost: whether it failed is unknown.
  case besideLostFlush
  /// A request on it has waited as long as it may, and is answered with an error.
  case overdue
  /// The export has been given up for good.
  case abandoned
  /// Somebody asked for a new one.
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
