// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base

/// When others are told of devices: of another state at once, of everything else, and of all of them
/// together, at most ten times a second.
///
/// A thousand devices without their server have a thousand messages each time they try to connect.
/// While nothing changes there is no timer.
final class Announcements {
  private static let pause = Duration.milliseconds(100)

  /// The state in which each device was told last.
  private var states: [String: Lifecycle.State] = [:]
  /// Devices of which there is something else to tell.
  private var waiting: Set<String> = []
  private var timer: Loop.Timer?

  private let tell: (String) -> Void
  private let summarize: () -> Void

  /// - Parameters:
  ///   - tell: Tells of the device of a name.
  ///   - summarize: Tells of all.
  init(tell: @escaping (String) -> Void, summarize: @escaping () -> Void) {
    self.tell = tell
    self.summarize = summarize
  }

  /// A device, or what is told of it, has changed; nil if it is gone.
  func changed(_ name: String, _ state: Lifecycle.State?) {
    if let state, state == states[name] {
      waiting.insert(name)
    } else {
      states[name] = state
      waiting.remove(name)
      tell(name)
    }
    if timer == nil { timer = Loop.timer(after: Self.pause) { self.catchUp() } }
  }

  private func catchUp() {
    timer = nil
    let names = waiting.sorted()
    waiting = []
    for name in names { tell(name) }
    summarize()
  }
}
