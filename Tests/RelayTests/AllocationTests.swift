// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Kernel
internal import NBD
internal import TestSupport
internal import Testing

/// Requests cost no allocation.
///
/// The allocations of a thread can be counted only by what is loaded ahead of the C library, so the
/// test runs itself again with such a counter.
@Suite(
  .needsServers,
  .enabled(
    if: isOptimized,
    "what a debug build allocates says nothing: swift test -c release -Xswiftc -enable-testing"))
struct AllocationTests {
  @Test(.enabled(if: hasCompiler, "needs a C compiler: apt-get install gcc"))
  func `allocates nothing per request`() throws {
    if environmentValue("NBDD_COUNTS_ALLOCATIONS") != nil { return try measure() }
    let directory = try TemporaryDirectory()
    let counter = "\(directory.path)/counter.so"
    let source = #filePath.replacing("AllocationTests.swift", with: "counter.c")
    let built = try Kernel.Command.run(
      ["cc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", counter, source],
      within: .seconds(60))
    try #require(built.status == 0, "\(built.output)")
    let environment = ["env", "LD_PRELOAD=\(counter)", "NBDD_COUNTS_ALLOCATIONS=1"]
    let result = try Kernel.Command.run(environment + ownCommand(), within: .seconds(60))
    #expect(result.status == 0, "\(result.output)")
  }

  private func measure() throws {
    for replies in [ReplyStyle.simple, .structured] {
      let server = try Server("memory", "64M")
      let scene = try Scene()
      try scene.bringUp(to: server, replies)
      try load(scene, 2000)
      let before = try allocations(of: scene.events.thread)
      try load(scene, 10_000)
      let count = try allocations(of: scene.events.thread) - before
      #expect(before > 0)
      #expect(count == 0, "\(count) allocations with \(replies) replies")
    }
  }

  /// Reads and writes of 4 KiB, 32 at a time, and a flush now and then.
  private func load(_ scene: Scene, _ count: Int) throws {
    let data = [UInt8].pattern(1, 4096)
    for _ in 0..<(count / 32) {
      var cookies = try (0..<16).flatMap {
        [
          try scene.kernel.write(UInt64($0) << 12, data),
          try scene.kernel.read(UInt64($0 + 16) << 12, 4096),
        ]
      }
      cookies.append(try scene.kernel.submit(.flush))
      for cookie in cookies { #expect(try scene.kernel.answer(cookie)?.error == 0) }
    }
  }

  private func allocations(of thread: Int) throws -> Int {
    typealias Count = @convention(c) (CInt) -> Int
    guard let symbol = unsafe dlsym(nil, "allocations_of") else { throw Wrong("no counter") }
    return unsafe unsafeBitCast(symbol, to: Count.self)(CInt(thread))
  }

  /// What runs this test and no other.
  private func ownCommand() throws -> [String] {
    let text = try #require(contents(of: "/proc/self/cmdline"))
    var words = text.split(separator: "\0").map(String.init)
    while let place = words.firstIndex(of: "--filter") { words.removeSubrange(place...(place + 1)) }
    return words + ["--filter", "AllocationTests"]
  }

  private static let hasCompiler =
    (try? Kernel.Command.run(["cc", "--version"], within: .seconds(60)))?.status == 0
}

#if DEBUG
  private let isOptimized = false
#else
  private let isOptimized = true
#endif
