// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
import Testing

@testable import Daemon

/// The line that `systemctl status` shows.
struct StatusLineTests {
  private func entries(_ states: [Lifecycle.State]) -> [StatusLine.Entry] {
    states.enumerated().map { StatusLine.Entry(name: "d\($0)", state: $1) }
  }

  @Test func `counts what is attached and says what is amiss`() {
    let db = StatusLine.Entry(
      name: "db", state: .reconnecting, trouble: "connection refused, next attempt in 8 s")
    #expect(
      StatusLine.text(entries([.attached, .attached, .attached]) + [db], problems: 0)
        == "3 of 4 devices attached; db: connection refused, next attempt in 8 s")
  }

  @Test(arguments: [
    ([Lifecycle.State](), "no devices configured"),
    ([.detached, .detached], "no devices attached"),
    ([.attached], "1 of 1 device attached"),
    ([.connecting, .detached], "0 of 1 device attached"),
    ([.attached, .attached, .detached], "2 of 2 devices attached"),
    (
      [.attached, .connecting, .attaching, .reconnecting, .detaching, .failed],
      "1 of 6 devices attached"
    ),
  ])
  func `counts only what somebody wants attached`(states: [Lifecycle.State], text: String) {
    #expect(StatusLine.text(entries(states), problems: 0) == text)
  }

  @Test func `names three troubles and counts the rest`() {
    let troubled = entries([.failed, .failed, .failed, .failed, .failed]).map { entry in
      StatusLine.Entry(name: entry.name, state: entry.state, trouble: "broken")
    }
    #expect(
      StatusLine.text(Array(troubled.prefix(3)), problems: 0)
        == "0 of 3 devices attached; d0: broken; d1: broken; d2: broken")
    #expect(
      StatusLine.text(troubled, problems: 0)
        == "0 of 5 devices attached; d0: broken; d1: broken; d2: broken; and 2 more")
  }

  @Test func `an attached device can be in trouble, a detached one is not`() {
    let mount = StatusLine.Entry(name: "db", state: .attached, trouble: "not mounted at /srv")
    let old = StatusLine.Entry(name: "old", state: .detached, trouble: "forgotten")
    #expect(
      StatusLine.text([mount, old], problems: 0)
        == "1 of 1 device attached; db: not mounted at /srv")
  }

  @Test(arguments: [
    (1, "no devices configured; 1 fault in the configuration"),
    (2, "no devices configured; 2 faults in the configuration"),
  ])
  func `says that the configuration has faults`(problems: Int, text: String) {
    #expect(StatusLine.text([], problems: problems) == text)
  }
}
