// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Whether a device that is being detached at the end of the daemon gets nearer to being detached.
///
/// One whose last writes flow does, however long they take. One that somebody uses moves data as well, but does not: its
/// detach is refused, and begun again.
struct StopProgress {
  /// What the device had moved when it last made progress, and when that was.
  private var moved: Int
  private var at: ContinuousClock.Instant
  /// When the attempt to detach it began that has not been refused.
  private var attempt: ContinuousClock.Instant?
  private var wasRefused = false

  enum Verdict {
    case progress
    case wait
    case giveUp
  }

  /// A device is found to be in use within this time after the begin of an attempt.
  static let refusalTime = Duration.seconds(4)

  /// The stop begins; somebody may be detaching the device already.
  init(moved: Int, _ now: ContinuousClock.Instant) {
    self.moved = moved
    at = now
    attempt = now
  }

  /// An attempt to detach the device begins.
  mutating func begin(_ now: ContinuousClock.Instant) {
    attempt = now
  }

  /// The attempt ended, as the device is in use.
  mutating func refused() {
    attempt = nil
    wasRefused = true
  }

  /// What a look at the device says, which may stand still for `limit`; `moved` grows with the data that it moves.
  mutating func verdict(
    moved: Int, isDetaching: Bool, _ now: ContinuousClock.Instant, limit: Duration
  ) -> Verdict {
    let end = at + limit
    guard moved != self.moved, isDetaching, let attempt else { return now < end ? .wait : .giveUp }
    if wasRefused, now < attempt + Self.refusalTime {
      // Its users may be gone, and this their data. An attempt that began in time is not cut off before that is known.
      return now < end || attempt < end ? .wait : .giveUp
    }
    (self.moved, at) = (moved, now)
    return .progress
  }
}
