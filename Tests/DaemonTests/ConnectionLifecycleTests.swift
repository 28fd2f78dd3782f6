// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Testing

@testable import Daemon

/// What is done to have a connection again.
struct ConnectionLifecycleTests {
  private var lifecycle = ConnectionLifecycle(
    reconnectDelay: .seconds(30), connectTimeout: .seconds(10))
  private var now = ContinuousClock.now

  /// Lets something happen after a while, at the least favourable chance.
  private mutating func happens(_ event: ConnectionLifecycle.Event, after pause: Duration = .zero)
    -> [ConnectionLifecycle.Action]
  {
    now = now + pause
    return lifecycle.handle(event, at: now, random: 0)
  }

  private mutating func comeUp() {
    _ = happens(.start)
    _ = happens(.handed)
    _ = happens(.up)
  }

  /// The pause before each attempt of an outage in which all fail at once, until it is that old.
  private mutating func pauses(of length: Duration) -> [Duration] {
    let begin = now
    var pauses: [Duration] = []
    var actions = happens(.down(.lost))
    while begin.duration(to: now) < length, case .setTimer(let pause)? = actions.last {
      pauses.append(pause)
      _ = happens(.timer, after: pause)
      actions = happens(.failed(.refused))
    }
    return pauses
  }

  @Test mutating func `the first retry is at once, the next ones soon`() {
    comeUp()
    now = now + .seconds(5)
    let pauses = pauses(of: .seconds(1))
    #expect(pauses.first == .zero)
    #expect(pauses.dropFirst().allSatisfy { $0 == .milliseconds(50) })
    #expect(lifecycle.attempts == pauses.count)
  }

  @Test mutating func `no pause is long beside the outage, nor longer than the limit`() {
    comeUp()
    now = now + .seconds(5)
    let pauses = pauses(of: .seconds(3600))
    var age = Duration.zero
    for pause in pauses {
      #expect(pause <= max(.milliseconds(50), age / 40) + .microseconds(1))
      age += pause
    }
    #expect(pauses.last == .seconds(30))
  }

  @Test mutating func `an outage after a healthy time begins afresh`() {
    comeUp()
    now = now + .seconds(5)
    _ = pauses(of: .seconds(600))
    _ = happens(.timer, after: .seconds(30))
    _ = happens(.handed)
    _ = happens(.up)
    #expect(lifecycle.attempts == 0 && lifecycle.failure == nil)
    let actions1 = happens(.down(.lost), after: .seconds(2))
    #expect(actions1 == [.setTimer(.zero)])
  }

  @Test mutating func `a connection that is lost at once does not count as health`() {
    comeUp()
    now = now + .seconds(5)
    _ = pauses(of: .seconds(100))
    _ = happens(.timer, after: .seconds(4))
    _ = happens(.handed)
    _ = happens(.up)
    let actions = happens(.down(.lost), after: .milliseconds(10))
    guard case .setTimer(let pause)? = actions.last else {
      Issue.record("no timer")
      return
    }
    #expect(pause > .seconds(2))
  }

  @Test mutating func `a persistent error is retried at the slowest pace`() {
    comeUp()
    let actions2 = happens(.down(.wrongServer))
    #expect(actions2 == [.setTimer(.seconds(30))])
    #expect(lifecycle.failure == .wrongServer)
  }

  @Test mutating func `a wait can be cut short, and what follows is quick again`() {
    comeUp()
    now = now + .seconds(5)
    _ = pauses(of: .seconds(600))
    let actions = happens(.retry)
    guard case .connect? = actions.last else {
      Issue.record("no attempt")
      return
    }
    let actions3 = happens(.failed(.refused))
    #expect(actions3 == [.setTimer(.milliseconds(50))])
  }

  @Test mutating func `other settings end a wait, and an attempt that is under way`() {
    comeUp()
    now = now + .seconds(5)
    _ = happens(.down(.wrongServer))
    lifecycle.connectTimeout = .milliseconds(200)
    lifecycle.reconnectDelay = .seconds(3)
    let afterWait = happens(.changed, after: .seconds(10))
    #expect(afterWait == [.cancelTimer, .connect(within: .milliseconds(200))])
    let afterAttempt = happens(.changed, after: .seconds(10))
    #expect(afterAttempt == [.cancelTimer, .connect(within: .milliseconds(200))])
    #expect(
      lifecycle.phase == .connecting && lifecycle.failure == .wrongServer && lifecycle.attempts == 0
    )
    let afterFailure = happens(.failed(.wrongServer))
    #expect(afterFailure == [.setTimer(.seconds(3))])
  }

  @Test mutating func `other settings leave a connection alone, and its loss is a first one`() {
    comeUp()
    now = now + .seconds(5)
    _ = pauses(of: .seconds(600))
    _ = happens(.timer, after: .seconds(30))
    _ = happens(.handed)
    let whileHanded = happens(.changed)
    #expect(whileHanded == [] && lifecycle.phase == .handed)
    let afterLoss = happens(.down(.lost))
    #expect(afterLoss == [.setTimer(.zero)])
    _ = happens(.timer)
    _ = happens(.handed)
    _ = happens(.up)
    let whileUp = happens(.changed)
    #expect(whileUp == [] && lifecycle.phase == .up)
    let afterAnother = happens(.down(.lost))
    #expect(afterAnother == [.setTimer(.zero)])
  }

  @Test mutating func `an address may take less early in an outage`() {
    let actions4 = happens(.start)
    #expect(actions4 == [.connect(within: .seconds(10))])
    _ = happens(.handed)
    _ = happens(.up)
    _ = happens(.down(.lost), after: .seconds(5))
    let actions5 = happens(.timer)
    #expect(actions5 == [.connect(within: .milliseconds(300))])
    _ = happens(.failed(.refused), after: .seconds(8))
    let actions6 = happens(.timer)
    #expect(actions6 == [.connect(within: .seconds(2))])
  }

  @Test mutating func `when it is stopped nothing more is tried`() {
    comeUp()
    _ = happens(.down(.lost))
    let actions7 = happens(.stop)
    #expect(actions7 == [.cancelTimer])
    #expect(lifecycle.nextAttempt == nil)
    let actions8 = happens(.timer)
    #expect(actions8 == [])
    let actions9 = happens(.failed(.refused))
    #expect(actions9 == [])
    let actions10 = happens(.down(.lost))
    #expect(actions10 == [])
  }
}
