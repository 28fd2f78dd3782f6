// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// Decides when to announce changes of devices: a new state at once; everything else, and the
/// summary of all devices, at most ten times per second.
///
/// A thousand devices without their server cause a thousand messages each time they try to connect.
/// While nothing changes there is no timer.
final class Announcements {
  private static let pause = Duration.milliseconds(100)

  /// The last announced state of each device.
  private var states: [String: Lifecycle.State] = [:]
  /// Devices with another change, to be announced when the timer ends.
  private var waiting: Set<String> = []
  private var timer: Loop.Timer?

  private let announce: (String) -> Void
  private let summarize: () -> Void

  /// - Parameters:
  ///   - announce: Announces the device with that name.
  ///   - summarize: Announces the summary.
  init(announce: @escaping (String) -> Void, summarize: @escaping () -> Void) {
    self.announce = announce
    self.summarize = summarize
  }

  /// Records that a device, or what is known about it, has changed; its state is nil if it is gone.
  func changed(_ name: String, _ state: Lifecycle.State?) {
    if let state, state == states[name] {
      waiting.insert(name)
    } else {
      states[name] = state
      waiting.remove(name)
      announce(name)
    }
    if timer == nil { timer = Loop.timer(after: Self.pause) { self.catchUp() } }
  }

  private func catchUp() {
    timer = nil
    let names = waiting.sorted()
    waiting = []
    for name in names { announce(name) }
    summarize()
  }
}
