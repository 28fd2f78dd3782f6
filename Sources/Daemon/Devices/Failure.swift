// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import enum Transport.FailureKind

/// What went wrong with a device: at which stage, and in words.
nonisolated struct Failure: Error, Sendable, Equatable {
  /// The `Stage` of the control interface.
  enum Stage: String, Sendable {
    case resolve, connect, negotiate, kernel, connection, mount, detach
  }

  var stage: Stage
  var message: String
  /// For programs.
  var kind: FailureKind
  /// It will hardly come right by itself: tried again at the slowest pace only.
  var isPersistent = false
  /// The kernel device is somebody else's; another one may be free.
  var isInUse = false
  /// Who is in the way, if that is the reason.
  var holders: [String] = []

  init(
    _ stage: Stage, _ message: String, kind: FailureKind = .other, isPersistent: Bool = false,
    holders: [String] = []
  ) {
    self.stage = stage
    self.message = message
    self.kind = kind
    self.isPersistent = isPersistent
    self.holders = holders
  }
}
