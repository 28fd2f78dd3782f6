// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
internal import ControlAPI
import Testing

@testable import Daemon

/// From detached to attached, and the attempts that fail on the way.
struct LifecycleAttachTests {
  @Test func `a mount that somebody else has removed is made again by an attach`() {
    var story = Story(in: .attached)
    #expect(story.happens(.attach) == [])
    story.device.isMountMissing = true
    #expect(story.happens(.attach) == [.mount])
    #expect(story.happens(.mounted(nil)) == [])
    #expect(story.device.state == .attached)
  }

  @Test func `the first attach goes through connecting and attaching to attached`() {
    var story = Story()
    #expect(story.device.state == .detached)
    #expect(story.happens(.attach) == [.connect])
    #expect(story.device.state == .connecting)
    #expect(story.happens(.serving) == [.settle])
    #expect(story.device.state == .attaching)
    #expect(story.happens(.settled(nil)) == [.mount])
    #expect(story.device.state == .attaching)
    #expect(story.happens(.mounted(nil)) == [])
    #expect(story.device.phase == .attached)
    #expect(story.device.state == .attached)
    #expect(story.device.failure == nil && story.device.nextAttempt == nil)
    #expect(story.device.attempts == 0 && story.device.outages == 0)
  }

  @Test func `a device that an earlier nbdd has left is mounted if it was usable`() {
    var story = Story()
    #expect(story.happens(.adopted(isSettled: true)) == [.mount])
    #expect(story.device.state == .attaching)
    #expect(story.happens(.mounted(nil)) == [])
    #expect(story.device.state == .attached && story.device.attachedAt != nil)
  }

  @Test func `a device that an earlier nbdd has left half set up is set up`() {
    var story = Story()
    #expect(story.happens(.adopted(isSettled: false)) == [.settle])
    #expect(story.happens(.settled(nil)) == [.mount])
  }

  @Test(arguments: [
    Lifecycle.Phase.connecting, .cancelling, .settling(), .mounting(), .attached,
    .unmounting(force: false), .quiescing(force: false),
    .disconnecting(by: .goodbye, leaving: true), .releasing(leaving: false),
    .releasing(leaving: true),
  ])
  func `another attach changes nothing while a device is on its way or there`(
    phase: Lifecycle.Phase
  ) {
    var story = Story(in: phase)
    #expect(story.happens(.attach) == [])
    #expect(story.device.phase == phase)
  }

  @Test
  func `a refused connection is tried again at once, then after 100 ms doubling to the limit`() {
    var story = Story(in: .connecting)
    var pauses: [Duration] = []
    for attempt in 1...11 {
      let actions = story.happens(.ended(.refused))
      #expect(actions.contains(.attemptFailed(.refused)))
      #expect(story.device.phase == .waiting)
      #expect(story.device.state == .reconnecting)
      #expect(story.device.failure == .refused)
      #expect(story.device.attempts == attempt)
      let pause = story.pause ?? .seconds(-1)
      #expect(actions.contains(.setTimer(pause)))
      pauses.append(pause)
      #expect(story.happens(.timer, after: pause) == [.cancelTimer, .connect])
      #expect(story.device.nextAttempt == nil)
    }
    let full = [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]
    #expect(pauses == full.map { .milliseconds($0) })
  }

  @Test func `chance shortens the pauses by up to a quarter`() {
    var story = Story(in: .connecting)
    story.random = 0.999
    story.happens(.ended(.refused))
    #expect(story.pause == .zero)
    for full in [100, 200, 400, 800].map(Duration.milliseconds) {
      story.happen(.timer, .ended(.refused))
      let pause = story.pause ?? .zero
      #expect(pause >= full * 0.75 && pause < full * 0.76)
    }
  }

  @Test func `the user's limit holds from the next pause on`() {
    var story = Story(reconnectDelay: .milliseconds(150))
    story.happen(.attach, .ended(.refused), .timer, .ended(.refused), .timer, .ended(.refused))
    #expect(story.pause == .milliseconds(150))
  }

  @Test func `a persistent error is retried at the slowest pace and shown as failed`() {
    var story = Story(in: .connecting)
    for attempt in 1...3 {
      let actions = story.happens(.ended(.wrongServer))
      #expect(actions.contains(.attemptFailed(.wrongServer)))
      #expect(actions.contains(.setTimer(.seconds(30))))
      #expect(story.device.state == .failed)
      #expect(story.device.failure == .wrongServer)
      #expect(story.device.attempts == attempt)
      #expect(story.happens(.timer) == [.cancelTimer, .connect])
      #expect(story.device.state == .failed)
      #expect(story.device.failure == .wrongServer)
    }
    story.happens(.ended(.refused))
    #expect(story.device.state == .reconnecting)
  }

  @Test func `an attach cuts the wait for the next attempt short`() {
    var story = Story(in: .waiting)
    #expect(story.happens(.attach) == [.cancelTimer, .connect])
    #expect(story.device.phase == .connecting)
    #expect(story.device.state == .reconnecting)
    #expect(story.device.nextAttempt == nil)
  }

  @Test func `who asks to hear of failed attempts hears of it when all else is done`() {
    // A listener may detach at once, and the timer must not be set after that.
    var story = Story(in: .connecting)
    #expect(story.happens(.ended(.refused)) == [.setTimer(.zero), .attemptFailed(.refused)])
  }

  @Test func `a kernel device that is somebody else's leads to another one at once`() {
    var story = Story(in: .connecting)
    #expect(story.happens(.inUse) == [.connect])
    #expect(story.device.phase == .connecting)
    #expect(story.happens(.inUse) == [.connect])
    #expect(story.device.attempts == 0)
    #expect(story.happen(.serving, .settled(nil)) == [.mount])
  }

  @Test func `a kernel device that does not come up is given back before the next attempt`() {
    var story = Story(in: .settling())
    #expect(
      story.happens(.settled(.stuck))
        == [.attemptFailed(.stuck), .disconnect, .setTimer(Lifecycle.grace)])
    #expect(story.device.state == .reconnecting)
    #expect(story.device.attempts == 1)
    #expect(story.happens(.ended(.closed)) == [.cancelTimer, .unmount(lazily: false)])
    #expect(story.happens(.unmounted(nil)) == [.release(patiently: true)])
    #expect(story.happens(.released(holders: [])) == [.setTimer(.zero)])
    #expect(story.device.phase == .waiting)
    #expect(story.device.failure == .stuck)
  }

  @Test(arguments: [Lifecycle.Phase.settling(), .mounting()])
  func `a connection lost before the device is usable is a failed attempt`(
    phase: Lifecycle.Phase
  ) {
    var story = Story(in: phase)
    #expect(story.happens(.ended(.lost)) == [])
    #expect(
      story.device.phase
        == (phase == .settling() ? .settling(hasEnded: true) : .mounting(hasEnded: true)))
    let report = phase == .settling() ? Lifecycle.Event.settled(.stuck) : .mounted(.badFileSystem)
    #expect(story.happens(report) == [.attemptFailed(.lost), .unmount(lazily: false)])
    #expect(story.device.state == .reconnecting)
    #expect(story.device.attempts == 1 && story.device.outages == 0)
    #expect(story.happen(.unmounted(nil), .released(holders: [])) == [.setTimer(.zero)])
    #expect(story.device.failure == .lost)
  }

  @Test(arguments: [Lifecycle.Phase.settling(), .mounting()])
  func `the cause of the last attempt is shown, not that of an earlier one`(
    phase: Lifecycle.Phase
  ) {
    var story = Story()
    story.happen(.attach, .ended(.wrongServer), .timer, .serving)
    if phase == .mounting() { story.happens(.settled(nil)) }
    story.happens(.ended(.lost))
    let actions = story.happens(phase == .settling() ? .settled(nil) : .mounted(nil))
    #expect(actions.first == .attemptFailed(.lost))
    story.happen(.unmounted(nil), .released(holders: []))
    #expect(story.device.failure == .lost)
    #expect(story.device.state == .reconnecting)
  }

  @Test func `success forgets the failures before it`() {
    var story = Story()
    story.happen(.attach, .ended(.refused), .timer, .ended(.refused), .timer, .serving)
    #expect(story.device.failure == .refused)
    story.happen(.settled(nil), .mounted(nil))
    #expect(story.device.failure == nil)
    #expect(story.device.attempts == 0)
  }

  @Test func `a mount that fails leaves the device attached, and an attach tries it again`() {
    var story = Story(in: .mounting())
    #expect(story.happens(.mounted(.badFileSystem)) == [])
    #expect(story.device.state == .attached)
    #expect(story.device.mountFailure == .badFileSystem)
    #expect(story.device.failure == nil && story.device.attempts == 0)

    #expect(story.happens(.attach) == [.mount])
    #expect(story.device.state == .attaching)
    story.happens(.mounted(.badFileSystem))
    #expect(story.device.mountFailure == .badFileSystem)
    #expect(story.happen(.attach, .mounted(nil)) == [])
    #expect(story.device.state == .attached)
    #expect(story.device.mountFailure == nil)
    #expect(story.happens(.attach) == [])
  }
}
