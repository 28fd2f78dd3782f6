// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
internal import ControlAPI
import Testing

@testable import Daemon

/// What is told of devices, and when.
@Suite(.timeLimit(.minutes(1)))
struct AnnouncementsTests {
  @Test func `a state is told at once, and everything else once for many times`() async throws {
    var told: [String] = []
    var summaries = 0
    let announcements = Announcements(
      announce: { told.append($0) }, summarize: { summaries += 1 })
    announcements.changed("a", .connecting)
    announcements.changed("a", .reconnecting)
    announcements.changed("b", .attached)
    #expect(told == ["a", "a", "b"])
    for _ in 0..<1000 {
      announcements.changed("b", .attached)
      announcements.changed("a", .reconnecting)
    }
    #expect(told == ["a", "a", "b"])
    #expect(summaries == 0)
    while summaries == 0 { try await Task.sleep(for: .milliseconds(5)) }
    #expect(told == ["a", "a", "b", "a", "b"])
    #expect(summaries == 1)

    // Of what is gone, nothing is told later on; and who comes anew is told at once.
    announcements.changed("b", .attached)
    announcements.changed("b", nil)
    announcements.changed("b", .attached)
    #expect(told.suffix(2) == ["b", "b"])
    while summaries == 1 { try await Task.sleep(for: .milliseconds(5)) }
    #expect(told.count == 7)
    // Then nothing happens any more.
    try await Task.sleep(for: .milliseconds(300))
    #expect(told.count == 7)
    #expect(summaries == 2)
  }
}
