// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Testing

/// What a mistyped word was meant to be.
struct LikenessTests {
  private static let words = ["attach", "detach", "status", "reload", "reconnect", "read", "uri"]

  @Test(arguments: [
    ("atach", "attach"), ("attahc", "attach"), ("dettach", "detach"), ("Status", "status"),
    ("stat", "status"), ("url", "uri"), ("reed", "read"), ("recon", "reconnect"),
  ])
  func `finds the word that was meant`(_ typed: String, _ meant: String) {
    #expect(Likeness.closest(to: typed, among: Self.words) == meant)
  }

  @Test(arguments: ["", "?", "x", "mount", "re", "colour", String(repeating: "attach", count: 40)])
  func `offers nothing for what is far from all of them`(_ typed: String) {
    #expect(Likeness.closest(to: typed, among: Self.words) == nil)
  }
}
