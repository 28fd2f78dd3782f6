// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing

@testable import BlockDevice

/// What the names of the kernel's threads say, as Linux 6.1 shows them.
struct ReceiversTests {
  private static let idle = ["systemd", "kworker/0:1H-kblockd", "nbd1-recv", "nbd11-recv"]

  @Test("tell whether each socket has a thread")
  func names() {
    func receivers(_ names: [String], socketCount: Int = 2) -> Receivers {
      Receivers(names: Self.idle + names, of: 1, socketCount: socketCount)
    }
    let (first, second) = ("kworker/u5:0+nbd1-recv", "kworker/u5:3+nbd1-recv")
    #expect(receivers([]) == .starting)
    #expect(receivers([first]) == .starting)
    #expect(receivers([first], socketCount: 1) == .complete)
    #expect(receivers([first, second]) == .complete)
    #expect(receivers([first, "kworker/u5:3+nbd11-recv"]) == .starting)
    #expect(receivers([first, "nbd1-recv+nbd1-recv"]) == .stuck)
    #expect(receivers(["nbd1-recv+nbd1-recv"]) == .stuck)
    #expect(receivers(["nbd1-recv+nbd1-recv"], socketCount: 1) == .complete)
    #expect(receivers(["nbd11-recv+nbd11-recv", first, second]) == .complete)
    #expect(Receivers(names: ["bash"], of: 1, socketCount: 2) == .invisible)
  }
}
