// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import enum Base.FailureKind
internal import ControlAPI

/// What went wrong with a device: the stage, and a message.
nonisolated struct Failure: Error, Sendable, Equatable {
  typealias Stage = FailureStage

  var stage: Stage
  var message: String
  /// For programs.
  var kind: FailureKind
  /// A persistent error, unlikely to go away on its own: retried only at the slowest pace.
  var isPersistent = false
  /// Another program uses the kernel device; another device may be free.
  var isInUse = false
  /// The users of the device, if they are the reason.
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
