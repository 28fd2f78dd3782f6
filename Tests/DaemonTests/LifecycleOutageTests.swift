// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
internal import ControlAPI
import Testing

@testable import Daemon

/// What follows when the connection of an attached device is lost.
struct LifecycleOutageTests {
  @Test func `the mount goes, the kernel forgets the device, and it is attached again`() {
    var story = Story(in: .attached)
    #expect(story.happens(.ended(.lost)) == [.unmount(lazily: false)])
    #expect(story.device.state == .reconnecting)
    #expect(story.device.failure == .lost)
    #expect(story.device.outages == 1)
    #expect(story.happens(.unmounted(nil)) == [.release(patiently: true)])
    #expect(story.happens(.released(holders: [])) == [.setTimer(.zero)])
    #expect(story.device.phase == .waiting)
    #expect(story.happens(.timer) == [.cancelTimer, .connect])
    #expect(story.device.failure == .lost)
    #expect(story.happen(.serving, .settled(nil), .mounted(nil)) == [])
    #expect(story.device.state == .attached)
    #expect(story.device.failure == nil)
    #expect(story.device.outages == 1)
  }

  @Test func `a device that others hold is looked at again, and they are named`() {
    var story = Story(in: .releasing(leaving: false))
    #expect(story.happens(.unmounted(nil)) == [.release(patiently: true)])
    var pauses: [Duration] = []
    for _ in 1...5 {
      story.happens(.released(holders: ["dd (pid 42)"]))
      #expect(story.device.phase == .held)
      #expect(story.device.state == .reconnecting)
      #expect(story.device.holders == ["dd (pid 42)"])
      #expect(story.device.failure == .lost)
      pauses.append(story.pause ?? .seconds(-1))
      #expect(story.happens(.timer) == [.cancelTimer, .unmount(lazily: false)])
      #expect(story.device.nextAttempt == nil)
      #expect(story.happens(.unmounted(nil)) == [.release(patiently: false)])
    }
    #expect(pauses == [0, 100, 200, 400, 800].map { .milliseconds($0) })
    story.happens(.released(holders: []))
    #expect(story.device.phase == .waiting)
    #expect(story.device.holders == [])
    #expect(story.pause == .zero)
  }

  @Test func `who uses the mount is named before who has the device open`() {
    var story = Story(in: .releasing(leaving: false))
    story.happen(.unmounted(.busy), .released(holders: ["mounted at /srv"]))
    #expect(story.device.holders == ["dd", "mounted at /srv"])
    story.happen(.timer, .unmounted(nil), .released(holders: ["mounted at /srv"]))
    #expect(story.device.holders == ["mounted at /srv"])
    story.happen(.timer, .unmounted(.busy), .released(holders: []))
    #expect(story.device.holders == [])
  }

  @Test func `an attach cuts the wait for holders short`() {
    var story = Story(in: .held)
    #expect(story.happens(.attach) == [.cancelTimer, .unmount(lazily: false)])
    #expect(story.happen(.unmounted(nil), .released(holders: [])) == [.setTimer(.zero)])
  }

  @Test func `patience with holders starts afresh with each outage`() {
    var story = Story(in: .held)
    for _ in 1...5 { story.happen(.timer, .unmounted(nil), .released(holders: ["dd"])) }
    #expect(story.pause == .milliseconds(1600))
    story.happen(.timer, .unmounted(nil), .released(holders: []))
    story.happen(.timer, .serving, .settled(nil), .mounted(nil), .ended(.lost), .unmounted(nil))
    story.happens(.released(holders: ["dd"]))
    #expect(story.pause == .zero)
  }

  @Test(arguments: [(59, 800), (60, 0)])
  func `after a minute of health the pauses start afresh`(seconds: Int, milliseconds: Int) {
    var story = Story(in: .connecting)
    for _ in 1...4 { story.happen(.ended(.refused), .timer) }
    story.happen(.serving, .settled(nil), .mounted(nil))
    story.happens(.ended(.lost), after: .seconds(seconds))
    story.happen(.unmounted(nil), .released(holders: []))
    #expect(story.pause == .milliseconds(milliseconds))
  }

  @Test func `health before one outage does not count for the next`() {
    var story = Story(in: .attached)
    story.happens(.ended(.lost), after: .seconds(3600))
    story.happen(.unmounted(nil), .released(holders: []), .timer)
    for _ in 1...4 { story.happen(.ended(.refused), .timer) }
    story.happen(.serving, .settled(nil), .mounted(nil))
    story.happens(.ended(.lost), after: .seconds(1))
    story.happen(.unmounted(nil), .released(holders: []))
    #expect(story.pause == .milliseconds(1600))
  }

  @Test func `mounting again does not end a minute of health`() {
    var story = Story(in: .connecting)
    for _ in 1...4 { story.happen(.ended(.refused), .timer) }
    story.happen(.serving, .settled(nil), .mounted(.badFileSystem))
    story.happens(.attach, after: .seconds(50))
    story.happens(.mounted(nil))
    story.happens(.ended(.lost), after: .seconds(50))
    story.happen(.unmounted(nil), .released(holders: []))
    #expect(story.pause == .zero)
  }

  @Test func `a connection lost while the mount is tried again is an outage`() {
    var story = Story(in: .mounting())
    story.happens(.mounted(.badFileSystem))
    story.happens(.attach)
    #expect(story.happens(.ended(.lost)) == [])
    #expect(story.happens(.mounted(nil)) == [.unmount(lazily: false)])
    #expect(story.device.outages == 1)
    #expect(story.device.failure == .lost)
    #expect(story.device.state == .reconnecting)
  }

  @Test func `after an outage a lasting failure is shown as failed`() {
    var story = Story(in: .releasing(leaving: false))
    story.happen(.unmounted(nil), .released(holders: []), .timer, .ended(.wrongServer))
    #expect(story.device.state == .failed)
    #expect(story.pause == .seconds(30))
  }

  @Test(arguments: [
    (Lifecycle.Phase.detached, Lifecycle.Event.timer),
    (.detached, .detach(force: true)),
    (.connecting, .timer),
    (.cancelling, .detach(force: true)),
    (.settling(), .mounted(nil)),
    (.mounting(), .settled(.stuck)),
    (.attached, .timer),
    (.attached, .settled(.stuck)),
    (.attached, .mounted(.badFileSystem)),
    (.attached, .released(holders: ["dd"])),
    (.unmounting(force: false), .timer),
    (.unmounting(force: false), .quiesced(nil)),
    (.unmounting(force: false), .detach(force: false)),
    (.quiescing(force: false), .unmounted(nil)),
    (.quiescing(force: false), .timer),
    (.disconnecting(by: .goodbye, leaving: true), .quiesced(nil)),
    (.disconnecting(by: .goodbye, leaving: true), .detach(force: false)),
    (.releasing(leaving: true), .unmounted(nil)),
    (.releasing(leaving: true), .detach(force: true)),
    (.releasing(leaving: false), .timer),
    (.held, .released(holders: [])),
    (.waiting, .settled(nil)),
  ])
  func `what a phase does not wait for changes nothing`(
    phase: Lifecycle.Phase, event: Lifecycle.Event
  ) {
    var story = Story(in: phase)
    let (state, failure, pause) = (story.device.state, story.device.failure, story.pause)
    #expect(story.happens(event) == [])
    #expect(story.device.phase == phase)
    #expect(story.device.state == state)
    #expect(story.device.failure == failure)
    #expect(story.pause == pause)
  }
}
