// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
import Testing

@testable import Daemon

/// Detach, from wherever a device is, by request and by force.
struct LifecycleDetachTests {
  @Test func `an attached device is unmounted, quiesced, disconnected and released`() {
    var story = Story(in: .attached)
    #expect(story.happens(.detach(force: false)) == [.unmount(lazily: false)])
    #expect(story.device.state == .detaching)
    #expect(story.happens(.unmounted(nil)) == [.quiesce(force: false)])
    #expect(story.happens(.quiesced(nil)) == [.disconnect, .setTimer(Lifecycle.grace)])
    #expect(story.happens(.ended(.closed)) == [.cancelTimer, .release(patiently: true)])
    #expect(story.device.state == .detaching)
    #expect(story.happens(.released(holders: [])) == [])
    #expect(story.device.phase == .detached)
    #expect(story.device.failure == nil)
    #expect(story.device.outages == 0)
  }

  /// Event by event, each with what is to be done then.
  typealias Scene = (phase: Lifecycle.Phase, force: Bool, steps: [(Lifecycle.Event, Actions)])
  typealias Actions = [Lifecycle.Action]

  nonisolated private static let close = Actions([.disconnect, .setTimer(Lifecycle.grace)])
  nonisolated private static let end: [(Lifecycle.Event, Actions)] = [
    (.ended(.closed), [.cancelTimer, .release(patiently: true)]), (.released(holders: []), []),
  ]

  nonisolated static let scenes: [Scene] = [
    (.connecting, false, [(.detach(force: false), [.interrupt]), (.ended(.refused), [])]),
    (.connecting, true, [(.detach(force: true), [.interrupt]), (.inUse, [])]),
    (
      .connecting, false,
      [(.detach(force: false), [.interrupt]), (.serving, close)] + end
    ),
    (
      .settling(), false,
      [
        (.detach(force: false), []), (.settled(nil), [.unmount(lazily: false)]),
        (.unmounted(nil), [.quiesce(force: false)]), (.quiesced(nil), close),
      ] + end
    ),
    (
      .settling(), false,
      [(.detach(force: false), []), (.settled(.stuck), [.attemptFailed(.stuck)] + close)] + end
    ),
    (
      .settling(), true,
      [
        (.detach(force: true), [.shutDown]), (.ended(.lost), []),
        (.settled(.stuck), [.attemptFailed(.lost), .unmount(lazily: true)]),
        (.unmounted(nil), [.release(patiently: true)]), (.released(holders: []), []),
      ]
    ),
    (
      .mounting(), false,
      [
        (.detach(force: false), []), (.mounted(nil), [.unmount(lazily: false)]),
        (.unmounted(nil), [.quiesce(force: false)]), (.quiesced(nil), close),
      ] + end
    ),
    (
      .mounting(), true,
      [
        (.detach(force: true), [.shutDown]), (.ended(.lost), []),
        (.mounted(.badFileSystem), [.attemptFailed(.lost), .unmount(lazily: true)]),
        (.unmounted(nil), [.release(patiently: true)]), (.released(holders: ["dd"]), []),
      ]
    ),
    (
      .attached, true,
      [
        (.detach(force: true), [.unmount(lazily: false)]),
        // What is written to it until the device is dead must not go elsewhere.
        (.unmounted(.busy), [.quiesce(force: true), .setTimer(Lifecycle.grace)]),
        (.timer, [.shutDown]), (.ended(.lost), []),
        (.quiesced(nil), [.cancelTimer, .unmount(lazily: true)]),
        (.unmounted(nil), [.release(patiently: true)]), (.released(holders: ["dd"]), []),
      ]
    ),
    (
      .attached, true,
      [
        (.detach(force: true), [.unmount(lazily: false)]),
        (.unmounted(nil), [.quiesce(force: true), .setTimer(Lifecycle.grace)]),
        (.quiesced(nil), [.cancelTimer] + close),
      ] + end
    ),
    (
      .held, false,
      [
        (.detach(force: false), [.cancelTimer, .unmount(lazily: false)]),
        (.unmounted(nil), [.release(patiently: false)]), (.released(holders: []), []),
      ]
    ),
    (
      .held, true,
      [
        (.detach(force: true), [.cancelTimer, .unmount(lazily: true)]),
        (.unmounted(.busy), [.release(patiently: false)]), (.released(holders: ["dd"]), []),
      ]
    ),
    (.waiting, false, [(.detach(force: false), [.cancelTimer])]),
    (.waiting, true, [(.detach(force: true), [.cancelTimer])]),
    (
      .releasing(leaving: false), false,
      [
        (.detach(force: false), []), (.unmounted(nil), [.release(patiently: true)]),
        (.released(holders: []), []),
      ]
    ),
    (
      .releasing(leaving: false), true,
      [
        (.detach(force: true), []), (.unmounted(.busy), [.release(patiently: true)]),
        (.released(holders: ["dd"]), []),
      ]
    ),
    (.disconnecting(by: .goodbye, leaving: false), false, [(.detach(force: false), [])] + end),
    (
      .disconnecting(by: .goodbye, leaving: false), true,
      [(.detach(force: true), [.shutDown, .setTimer(Lifecycle.grace)])] + end
    ),
    (.disconnecting(by: .shutDown, leaving: false), true, [(.detach(force: true), [])] + end),
    (
      .disconnecting(by: .goodbye, leaving: true), true,
      [(.detach(force: true), [.shutDown, .setTimer(Lifecycle.grace)])] + end
    ),
    (
      .unmounting(force: false), true,
      [
        (.detach(force: true), []),
        (.unmounted(.busy), [.quiesce(force: true), .setTimer(Lifecycle.grace)]),
        (.quiesced(nil), [.cancelTimer] + close),
        (.ended(.closed), [.cancelTimer, .unmount(lazily: true)]),
        (.unmounted(.busy), [.release(patiently: true)]), (.released(holders: []), []),
      ]
    ),
    (
      .unmounting(force: true), true,
      [
        (.ended(.lost), []), (.unmounted(.busy), [.unmount(lazily: true)]),
        (.unmounted(nil), [.release(patiently: true)]), (.released(holders: []), []),
      ]
    ),
    (
      .quiescing(force: false), true,
      [(.detach(force: true), [.shutDown]), (.quiesced(.busy), [.cancelTimer] + close)] + end
    ),
    (
      .quiescing(force: false), true,
      [
        (.ended(.lost), []), (.detach(force: true), []),
        (.quiesced(.busy), [.cancelTimer, .release(patiently: true)]),
        (.released(holders: []), []),
      ]
    ),
  ]

  @Test(arguments: scenes)
  func `from every phase it ends detached, with nothing left over`(scene: Scene) {
    var story = Story(in: scene.phase)
    #expect(story.device.phase == scene.phase)
    for (event, actions) in scene.steps {
      #expect(story.device.phase != .detached)
      #expect(story.happens(event) == actions, "\(event)")
      if story.device.phase != .detached { #expect(story.device.state == .detaching) }
    }
    #expect(story.device.phase == .detached)
    #expect(story.device.failure == nil && story.device.mountFailure == nil)
    #expect(story.device.holders == [] && story.device.nextAttempt == nil)
    #expect(story.device.attempts == 0)
  }

  @Test func `a detach begins the pauses of the next attach afresh`() {
    var story = Story(in: .connecting)
    for _ in 1...5 { story.happen(.ended(.refused), .timer) }
    story.happen(.ended(.refused), .detach(force: false), .attach, .ended(.refused))
    #expect(story.pause == .zero)
  }
}
