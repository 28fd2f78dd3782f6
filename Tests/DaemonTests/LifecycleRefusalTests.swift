// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
import Testing

@testable import Daemon

/// A detach that is refused, that meets a lost connection, or a server that does not close.
struct LifecycleRefusalTests {
  @Test func `a mount in use refuses a detach, and what was unmounted is mounted again`() {
    var story = Story(in: .unmounting(force: false))
    #expect(story.happens(.unmounted(.busy)) == [.refused(.busy), .mount])
    #expect(story.device.state == .attaching)
    #expect(story.happens(.mounted(nil)) == [])
    #expect(story.device.state == .attached)
    #expect(story.device.failure == nil)
  }

  @Test func `a device in use refuses a detach, and its mount is mounted again`() {
    var story = Story(in: .quiescing(force: false))
    #expect(story.happens(.quiesced(.busy)) == [.refused(.busy), .mount])
    #expect(story.happens(.mounted(nil)) == [])
    #expect(story.device.state == .attached)
    #expect(story.device.outages == 0)
  }

  @Test func `a second request while a detach is under way is settled by the first`() {
    var story = Story(in: .unmounting(force: false))
    #expect(story.happens(.detach(force: false)) == [])
    #expect(story.happens(.unmounted(.busy)) == [.refused(.busy), .mount])
  }

  @Test func `a detach right after a refused one waits for the mount and is tried again`() {
    var story = Story(in: .unmounting(force: false))
    story.happens(.unmounted(.busy))
    #expect(story.happens(.detach(force: false)) == [])
    #expect(story.device.state == .detaching)
    #expect(story.happens(.mounted(nil)) == [.unmount(lazily: false)])
    #expect(story.happens(.unmounted(.busy)) == [.refused(.busy), .mount])
    #expect(story.happens(.mounted(nil)) == [])
    #expect(story.device.state == .attached)
  }

  @Test func `a device that others still hold after an outage refuses a detach and names them`() {
    var story = Story(in: .held)
    story.happen(.detach(force: false), .unmounted(nil))
    let actions = story.happens(.released(holders: ["dd (pid 42)"]))
    let refusal = Failure(.detach, "still in use: dd (pid 42)", holders: ["dd (pid 42)"])
    #expect(actions.first == .refused(refusal))
    #expect(story.device.phase == .held)
    #expect(story.device.state == .reconnecting)
    #expect(story.device.nextAttempt != nil)
    // It goes on as if nothing had been asked for.
    story.happen(.timer, .unmounted(nil), .released(holders: []))
    #expect(story.device.phase == .waiting)
  }

  @Test func `of several requests while the kernel forgets a device, one by force counts`() {
    var story = Story(in: .releasing(leaving: false))
    story.happen(.detach(force: true), .detach(force: false), .unmounted(.busy))
    #expect(story.happens(.released(holders: ["dd"])) == [])
    #expect(story.device.phase == .detached)
  }

  // MARK: the connection is lost meanwhile

  @Test(arguments: [
    (Lifecycle.Phase.unmounting(force: false), Lifecycle.Event.unmounted(nil)),
    (.quiescing(force: false), .quiesced(nil)),
  ])
  func `a connection lost during a detach ends it all the same`(
    phase: Lifecycle.Phase, report: Lifecycle.Event
  ) {
    var story = Story(in: phase)
    #expect(story.happens(.ended(.lost)) == [])
    #expect(story.device.state == .detaching)
    #expect(story.happens(report) == [.release(patiently: true)])
    #expect(story.happens(.released(holders: ["dd"])) == [])
    #expect(story.device.phase == .detached)
    #expect(story.device.outages == 0)
  }

  @Test(arguments: [
    (Lifecycle.Phase.unmounting(force: false), Lifecycle.Event.unmounted(.busy)),
    (.quiescing(force: false), .quiesced(.busy)),
  ])
  func `a connection lost during a detach that is refused is an outage`(
    phase: Lifecycle.Phase, report: Lifecycle.Event
  ) {
    var story = Story(in: phase)
    story.happens(.ended(.lost))
    #expect(story.happens(report) == [.refused(.busy), .unmount(lazily: false)])
    #expect(story.device.state == .reconnecting)
    #expect(story.device.failure == .lost)
    #expect(story.device.outages == 1)
  }

  @Test func `a mount made while the connection was lost is unmounted before a detach ends`() {
    var story = Story(in: .mounting())
    story.happen(.detach(force: false), .ended(.lost))
    #expect(story.happens(.mounted(nil)) == [.attemptFailed(.lost), .unmount(lazily: false)])
    #expect(story.device.state == .detaching)
    #expect(story.happen(.unmounted(nil), .released(holders: [])) == [])
    #expect(story.device.phase == .detached)
  }

  @Test func `a mount made again while the connection was lost is unmounted before a detach ends`()
  {
    var story = Story(in: .mounting())
    story.happen(.mounted(.badFileSystem), .attach, .detach(force: true), .ended(.lost))
    #expect(story.happens(.mounted(nil)) == [.unmount(lazily: true)])
    #expect(story.happen(.unmounted(nil), .released(holders: ["dd"])) == [])
    #expect(story.device.phase == .detached)
  }

  @Test(arguments: [Lifecycle.Phase.settling(), .mounting()])
  func `nothing is shut down that has ended already`(phase: Lifecycle.Phase) {
    var story = Story(in: phase)
    #expect(story.happen(.ended(.lost), .detach(force: true)) == [])
    var other = Story(in: .quiescing(force: true))
    #expect(other.happen(.ended(.lost), .timer) == [])
    #expect(other.happens(.quiesced(nil)) == [.cancelTimer, .release(patiently: true)])
  }

  // MARK: a server that does not close

  @Test(arguments: [true, false])
  func `a server that does not close is shut down, cleared and then given up`(leaving: Bool) {
    var story = Story(in: .disconnecting(by: .goodbye, leaving: leaving))
    #expect(story.happens(.timer) == [.shutDown, .setTimer(Lifecycle.grace)])
    #expect(story.happens(.timer) == [.clear, .setTimer(Lifecycle.grace)])
    let given = Failure(.detach, "the kernel does not release the device")
    #expect(story.happens(.timer) == [.refused(given)])
    #expect(story.device.state == (leaving ? .detaching : .reconnecting))
    #expect(story.device.failure == given)

    let actions = story.happens(.ended(.closed))
    #expect(
      actions == [.cancelTimer, leaving ? .release(patiently: true) : .unmount(lazily: false)])
    if !leaving { story.happens(.unmounted(nil)) }
    story.happens(.released(holders: []))
    #expect(story.device.phase == (leaving ? .detached : .waiting))
  }

  @Test(arguments: [true, false], [true, false])
  func `while the kernel does not let go, each detach is answered`(leaving: Bool, force: Bool) {
    var story = Story(in: .disconnecting(by: .exhausted, leaving: leaving))
    let given = Failure(.detach, "the kernel does not release the device")
    #expect(story.happens(.detach(force: force)) == [.refused(given)])
    #expect(story.happens(.detach(force: force)) == [.refused(given)])
    #expect(story.device.state == .detaching)
    #expect(story.happens(.ended(.closed)) == [.cancelTimer, .release(patiently: true)])
    #expect(story.happens(.released(holders: [])) == [])
    #expect(story.device.phase == .detached)
  }

  @Test(arguments: [Lifecycle.Means.shutDown, .clear])
  func `a server that closes late is as good as one that closes at once`(means: Lifecycle.Means) {
    var story = Story(in: .disconnecting(by: means, leaving: true))
    #expect(story.happens(.ended(.closed)) == [.cancelTimer, .release(patiently: true)])
    #expect(story.happens(.released(holders: [])) == [])
    #expect(story.device.phase == .detached)
  }
}
