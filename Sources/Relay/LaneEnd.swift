// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import enum Kernel.Quantities
package import NBD

/// Why a connection is not used any more.
package enum LaneEnd: Error, Sendable, Equatable {
  /// It was closed or failed, or the server broke the protocol.
  case connection(TransmissionError.Reason)
  /// The server said that it is going away, and has answered what it had.
  case shuttingDown
  /// A request was not answered for so long.
  case silent(Duration)
  /// The server does not take again what it had acknowledged (rule `loud`); so many bytes of it wait.
  case replayRefused(ErrorNumber, of: Command, waiting: Int)
  /// Somebody asked for a new one.
  case asked

  /// Whether it will hardly come right by itself.
  package var isLasting: Bool {
    if case .replayRefused = self { true } else { false }
  }
}

extension LaneEnd: CustomStringConvertible {
  package var description: String {
    switch self {
    case .connection(.closed): "the server closed the connection"
    case .connection(let reason): "\(reason)"
    case .shuttingDown: "the server is shutting down"
    case .silent(let time): "the server has not answered a request for \(Quantities.words(time))"
    case .replayRefused(let error, let command, let bytes):
      "the server refuses to repeat a \(command.name) that it had acknowledged before the outage "
        + "(\(error.name)); \(bytes) bytes wait"
    case .asked: "a new connection was asked for"
    }
  }
}
