// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Kernel
internal import Testing

/// `nbdctl read` with real servers.
struct ReadTests {
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `reads a sparse export as it is, into a sparse file`() throws {
    try Workspace.run { workspace in
      let image = workspace.file("image")
      let run = { (command: String) in
        try Command.run(["sh", "-c", command], within: .seconds(60)).status
      }
      let made = try run(
        "truncate -s 64M \(image) && "
          + "head -c 3000000 /dev/urandom | dd of=\(image) bs=1M seek=20 conv=notrunc status=none")
      try #require(made == 0)
      let uri = try Server.nbdkit("file", image, in: workspace).uri
      let copy = workspace.file("copy")
      let outcome = try nbdctl(["read", uri, "--output", copy], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try run("cmp \(copy) \(image)") == 0)
      #expect(try run("test $(du -k \(copy) | cut -f1) -lt 4000") == 0)
      #expect(try run("\(Tool.built("nbdctl")) read '\(uri)' | cmp - \(image)") == 0)
      let part = ["read", uri, "--offset", "20971525", "--length", "1999", "--output", copy]
      #expect(try nbdctl(part, workspace).status == 0)
      #expect(try run("tail -c +20971526 \(image) | head -c 1999 | cmp - \(copy)") == 0)
      let beyond = ["read", uri, "--offset", "67108864", "--length", "1"]
      #expect(try nbdctl(beyond, workspace).status == 64)
    }
  }

  // Rows: N-012
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `reads through a large number of requests, also where each one is small`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=blocksize-policy", "pattern", "size=3M", "blocksize-minimum=4096",
        "blocksize-preferred=4096", "blocksize-maximum=8192", "blocksize-error-policy=error",
        in: workspace)
      let copy = workspace.file("copy")
      let outcome = try nbdctl(
        ["read", server.uri, "--offset", "13", "--length", "3000000", "--output", copy], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let bytes = try bytes(of: copy)
      #expect(bytes.count == 3_000_000)
      // Every eight bytes are their own offset, most significant byte first.
      let isRight = bytes.indices.allSatisfy { index in
        let place = UInt64(index + 13)
        return bytes[index] == UInt8(truncatingIfNeeded: (place & ~7) >> (56 - 8 * (place & 7)))
      }
      #expect(isRight)
    }
  }
}
