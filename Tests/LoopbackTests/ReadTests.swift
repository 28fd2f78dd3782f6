// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import Testing
internal import TestSupport

/// `nbdctl read` with real servers.
struct ReadTests {
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `reads a sparse export as it is, into a sparse file`() throws {
    try Workspace.run { workspace in
      let image = workspace.file("image")
      let run = { (command: String) in
        try ChildProcess.run(["sh", "-c", command], within: .seconds(60)).status
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
      #expect(try run("\(builtProgram("nbdctl")) read '\(uri)' | cmp - \(image)") == 0)
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
      let bytes = try File.bytes(of: copy)
      #expect(bytes.count == 3_000_000)
      // Every eight bytes are their own offset, most significant byte first.
      let isRight = bytes.indices.allSatisfy { index in
        let place = UInt64(index + 13)
        return bytes[index] == UInt8(truncatingIfNeeded: (place & ~7) >> (56 - 8 * (place & 7)))
      }
      #expect(isRight)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `takes - for standard output, and sizes with a unit`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("pattern", "size=3M", in: workspace)
      let (whole, part) = (workspace.file("whole"), workspace.file("part"))
      #expect(try nbdctl(["read", server.uri, "--output", whole], workspace).status == 0)
      let outcome = try ChildProcess.run(
        [
          "sh", "-c",
          """
          cd \(workspace.path) && \(builtProgram("nbdctl")) read '\(server.uri)' --output - \
            --offset 1MiB --length 4KiB >\(part) && test ! -e ./-
          """,
        ], within: .seconds(60))
      #expect(outcome.status == 0, "\(outcome.output)")
      #expect(try File.bytes(of: part)[...] == File.bytes(of: whole)[(1 << 20)..<(1 << 20 + 4096)])
      #expect(try nbdctl(["read", server.uri, "--offset", "1 MiB"], workspace).status == 64)
    }
  }

  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing),
    .enabled(if: Tool.script.isInstalled, "needs script: apt-get install bsdutils"),
    arguments: ["", "--output -"])
  func `writes nothing to a terminal`(_ output: String) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("null", "size=1M", in: workspace)
      let outcome = try ChildProcess.run(
        [
          "script", "-qec", "\(builtProgram("nbdctl")) read '\(server.uri)' \(output)", "/dev/null",
        ], within: .seconds(60))
      #expect(outcome.status == 64)
      #expect(outcome.output.contains("standard output is a terminal"))
    }
  }

  // Data that begins and ends within a block, next to zeroes.
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `reads whole blocks where the server tells of less`() throws {
    try Workspace.run { workspace in
      let list = try workspace.write("0 1000\n4100 1\n8191 2\n20480 513\n", to: "extents")
      let server = try Server.nbdkit(
        "--filter=blocksize-policy", "--filter=extentlist", "pattern", "size=24K",
        "extentlist=\(list)", "blocksize-minimum=512", "blocksize-preferred=4096",
        "blocksize-maximum=1M", "blocksize-error-policy=error", in: workspace)
      let copy = workspace.file("copy")
      let outcome = try nbdctl(["read", server.uri, "--output", copy], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let bytes = try File.bytes(of: copy)
      #expect(bytes.count == 24 << 10)
      let data = [0..<1024, 4096..<4608, 7680..<8704, 20480..<21504]
      let isRight = bytes.indices.allSatisfy { index in
        let number = UInt64(index & ~7) >> UInt64(56 - 8 * (index & 7))
        let isData = data.contains { $0.contains(index) }
        return bytes[index] == (isData ? UInt8(truncatingIfNeeded: number) : 0)
      }
      #expect(isRight)
    }
  }

  @Test(.enabled(if: Tool.qemu.isInstalled, DirectTests.noQemu), arguments: [1000, 525_313])
  func `reads a file of QEMU's whose size is no multiple of a sector`(_ size: Int) throws {
    try Workspace.run { workspace in
      let image = try workspace.write(String(repeating: "x", count: size), to: "image")
      let server = try Server.qemu(serving: "image", format: "raw", "-r", in: workspace)
      let copy = workspace.file("copy")
      let outcome = try nbdctl(["read", server.uri, "--output", copy], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let (whole, copied) = (try File.bytes(of: image), try File.bytes(of: copy))
      #expect(copied.starts(with: whole))
      // The server fills the last sector up.
      #expect(copied.count == (size + 511) / 512 * 512)
      #expect(copied[size...].allSatisfy { $0 == 0 })
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `does not leave the end of an export out unless it is told to`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=blocksize-policy", "pattern", "size=1000", "blocksize-minimum=512",
        "blocksize-preferred=512", "blocksize-maximum=1M", in: workspace)
      let copy = workspace.file("copy")
      let outcome = try nbdctl(["read", server.uri, "--output", copy], workspace)
      #expect(outcome.status == 1)
      #expect(outcome.errors.contains("the last 488 bytes of the export cannot be accessed"))
      #expect(outcome.errors.hasSuffix("; --length 512 reads the rest\n"))
      #expect(!(try File.exists(copy)))
      let part = ["read", server.uri, "--output", copy, "--length", "512"]
      #expect(try nbdctl(part, workspace).status == 0)
      #expect(try File.bytes(of: copy).count == 512)
    }
  }

  // One page of data in each MiB, of which the server tells nothing.
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `finds the zeroes of which the server does not tell`() throws {
    try Workspace.run { workspace in
      let places = (0..<16).map { "@\(($0 << 20) + 8192 - 1) 1*2" }.joined(separator: " ")
      let server = try Server.nbdkit(
        "--filter=noextents", "data", places, "size=16M", in: workspace)
      let (whole, copy) = (workspace.file("whole"), workspace.file("copy"))
      let command = "\(builtProgram("nbdctl")) read '\(server.uri)' >\(whole)"
      #expect(try ChildProcess.run(["sh", "-c", command], within: .seconds(60)).status == 0)
      #expect(try nbdctl(["read", server.uri, "--output", copy], workspace).status == 0)
      #expect(try ChildProcess.run(["cmp", whole, copy], within: .seconds(60)).status == 0)
      let used = try ChildProcess.run(["du", "-k", copy], within: .seconds(60)).output
      // Two blocks for each, and what the file system needs for itself.
      #expect(try #require(Int(used.prefix(while: \.isNumber))) <= 16 * 8 + 64)
    }
  }

  // Each reply takes longer than the timeout, and some of it comes all the time.
  @Test(
    .enabled(
      if: Tool.nbdkit.isInstalled && Tool.python.isInstalled,
      "needs nbdkit and python3: apt-get install nbdkit python3"))
  func `goes on as long as a slow connection brings something`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("pattern", "size=512K", in: workspace)
      let copy = workspace.file("copy")
      let slow = try server.throughMan("trickle-16384", in: workspace)
      let options = ["--timeout", "2s", "--output", copy]
      let outcome = try nbdctl(["read", slow] + options, workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try File.bytes(of: copy).count == 512 << 10)
    }
    // A byte now and then is nothing.
    try Workspace.run { workspace in
      let server = try Server.nbdkit("pattern", "size=512K", in: workspace)
      let copy = workspace.file("copy")
      let dead = try server.throughMan("trickle-512", in: workspace)
      let outcome = try nbdctl(["read", dead, "--timeout", "2s", "--output", copy], workspace)
      #expect(outcome.status == 75)
      #expect(!(try File.exists(copy)))
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing), arguments: [true, false])
  func `leaves what was there as it was if it fails`(isThere: Bool) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "eval", "get_size=echo 4M",
        "pread=[ $4 -lt 2000000 ] || { echo EIO >&2; exit 1; }; yes | head -c $3", in: workspace)
      let directory = workspace.file("backups")
      try Directory.create(directory)
      if isThere { try workspace.write("old", to: "backups/copy") }
      let outcome = try nbdctl(
        ["read", server.uri, "--output", "\(directory)/copy"], workspace)
      #expect(outcome.status == 1, "\(outcome.errors)")
      #expect(Directory.names(in: directory) == (isThere ? ["copy"] : []))
      if isThere { #expect(File.contents(of: "\(directory)/copy") == "old") }
    }
  }

  @Test(
    .enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing),
    arguments: [SIGINT, SIGTERM, SIGHUP])
  func `leaves nothing behind when it is ended`(_ signal: CInt) throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=delay", "--filter=noextents", "memory", "4M", "rdelay=60", in: workspace)
      let directory = workspace.file("backups")
      try workspace.write("old", to: "backups/copy")
      let program = try workspace.start([
        builtProgram("nbdctl"), "read", server.uri, "--output", "\(directory)/copy",
      ])
      try eventually("the new file") { Directory.names(in: directory).count == 2 }
      // It takes signals now, or the moment after.
      usleep(100_000)
      program.send(signal)
      #expect(try program.wait() == 1)
      #expect(program.errors.hasSuffix("interrupted; \(directory)/copy was not written\n"))
      #expect(Directory.names(in: directory) == ["copy"])
      #expect(File.contents(of: "\(directory)/copy") == "old")
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `goes on under nohup`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit(
        "--filter=delay", "--filter=noextents", "memory", "4M", "rdelay=1", in: workspace)
      try Directory.create(workspace.file("backups"))
      let program = try workspace.start([
        "nohup", builtProgram("nbdctl"), "read", server.uri, "--length", "4096", "--output",
        workspace.file("backups/copy"),
      ])
      try eventually("the new file") { !Directory.names(in: workspace.file("backups")).isEmpty }
      program.send(SIGHUP)
      #expect(try program.wait() == 0, "\(program.errors)")
      #expect(Directory.names(in: workspace.file("backups")) == ["copy"])
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `replaces a file by one with the same mode, and not a link to it`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("pattern", "size=4096", in: workspace)
      let (file, link) = (try workspace.write("old", to: "file"), workspace.file("link"))
      #expect(unsafe chmod(file, 0o640) == 0)
      #expect(unsafe symlink(file, link) == 0)
      #expect(try nbdctl(["read", server.uri, "--output", link], workspace).status == 0)
      #expect(try File.bytes(of: file).count == 4096)
      #expect(File.realPath(link) == file)
      var status = stat()
      #expect(unsafe stat(file, &status) == 0)
      #expect(status.st_mode & 0o7777 == 0o640)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `says so when its copy cannot be written`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("pattern", "size=64K", in: workspace)
      let full = try nbdctl(["read", server.uri, "--output", "/dev/full"], workspace)
      #expect(full.status == 1)
      #expect(full.errors == "nbdctl: /dev/full: write: No space left on device\n")
      let nowhere = workspace.file("nowhere/copy")
      #expect(try nbdctl(["read", server.uri, "--output", nowhere], workspace).status == 1)
    }
  }
}
