// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import Testing
internal import TestSupport
internal import Varlink

/// `nbdctl map` with real servers.
struct MapTests {
  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `maps what is data and what is not`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("data", "@65536 1*32768", "size=1M", in: workspace)
      let outcome = try nbdctl(["map", server.uri, "--json"], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let extents =
        try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)["extents"]?.array ?? []
      #expect(extents.map { $0["offset"]?.integer } == [0, 65536, 98304])
      #expect(extents.map { $0["length"]?.integer } == [65536, 32768, 950_272])
      #expect(extents.map { $0["flags"]?.integer } == [3, 0, 3])
      let totals =
        try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)["totals"]?.array ?? []
      #expect(totals.map { $0["state"]?.string } == ["data", "hole, zero"])
      #expect(totals.map { $0["flags"]?.integer } == [0, 3])
      #expect(totals.map { $0["length"]?.integer } == [32768, 1_015_808])
      let text = try nbdctl(["map", server.uri], workspace).output
      #expect(text.contains("\n  65536    32768  data\n"))
      #expect(text.contains("data: 32 KiB (3%)\n"))
      #expect(text.hasSuffix("[····██\(String(repeating: "·", count: 58))]\n"))
      let other = try nbdctl(["map", server.uri, "--context", "x:y"], workspace)
      #expect(other.status == 1)
      #expect(other.errors.contains("does not offer the metadata context x:y"))
    }
  }

  @Test(
    .enabled(
      if: Tool.nbdkit.isInstalled && Tool.python.isInstalled,
      "needs nbdkit and python3: apt-get install nbdkit python3"))
  func `maps any number of extents, in little memory`() throws {
    try Workspace.run { workspace in
      let lines = (0..<210_000).map { $0 % 2 == 0 ? "\($0 * 4096) 4096\n" : "" }
      let list = try workspace.write(lines.joined(), to: "extents")
      let server = try Server.nbdkit(
        "--filter=extentlist", "null", "size=\(210_000 * 4096)", "extentlist=\(list)",
        in: workspace)
      // Another reader of JSON, which sees how much memory its child took.
      let judge = """
        import json, resource, subprocess, sys
        text = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True).stdout
        extents = json.loads(text)["extents"]
        assert [e["offset"] for e in extents] == list(range(0, len(extents) * 4096, 4096))
        assert all(e["state"] == ["data", "hole, zero"][i % 2] for i, e in enumerate(extents))
        print(len(extents), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
        """
      let program = try workspace.start([
        "python3", "-c", judge, builtProgram("nbdctl"), "map", "--json", server.uri,
      ])
      #expect(try program.wait() == 0, "\(program.errors)")
      let numbers = program.output.split { $0 == " " || $0 == "\n" }.compactMap { Int($0) }
      try #require(numbers.count == 2)
      #expect(numbers[0] == 210_000)
      #expect(numbers[1] < 40 << 10)
    }
  }

  @Test(.enabled(if: Tool.nbdkit.isInstalled, DirectTests.missing))
  func `says so when its map cannot be written`() throws {
    try Workspace.run { workspace in
      let server = try Server.nbdkit("null", "size=1M", in: workspace)
      let outcome = try ChildProcess.run(
        ["sh", "-c", "\(builtProgram("nbdctl")) map '\(server.uri)' 2>&1 >/dev/full"],
        within: .seconds(60))
      #expect(outcome.status == 1)
      #expect(outcome.output.contains("standard output: write: No space left on device"))
    }
  }

  @Test(.enabled(if: Tool.qemu.isInstalled, DirectTests.noQemu))
  func `names what a dirty bitmap says`() throws {
    try Workspace.run { workspace in
      try make(
        """
        qemu-img create -q -f qcow2 disk.qcow2 1M
        qemu-img bitmap --add disk.qcow2 changes
        qemu-io -f qcow2 -c "write 128k 64k" disk.qcow2
        """, in: workspace)
      let server = try Server.qemu(
        serving: "disk.qcow2", "--read-only", "-B", "changes", in: workspace)
      let context = "qemu:dirty-bitmap:changes"
      let text = try nbdctl(["map", server.uri, "--context", context], workspace).output
      #expect(
        text == """
           OFFSET   LENGTH  STATE
                0   131072  clean
           131072    65536  dirty
           196608   851968  clean

          clean: 960 KiB (94%)
          dirty: 64 KiB (6%)

          """)
    }
  }

  @Test(.enabled(if: Tool.qemu.isInstalled, DirectTests.noQemu))
  func `names the depth at which data is allocated`() throws {
    try Workspace.run { workspace in
      try make(
        """
        qemu-img create -q -f qcow2 base.qcow2 1M
        qemu-io -f qcow2 -c "write 0 64k" base.qcow2
        qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2
        qemu-io -f qcow2 -c "write 64k 64k" middle.qcow2
        qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2
        qemu-io -f qcow2 -c "write 128k 64k" top.qcow2
        """, in: workspace)
      let server = try Server.qemu(serving: "top.qcow2", "--read-only", "-A", in: workspace)
      let outcome = try nbdctl(
        ["map", server.uri, "--context", "qemu:allocation-depth", "--json"], workspace)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let extents =
        try JSON(parsing: Array(outcome.output.utf8), dialect: .strict)["extents"]?.array ?? []
      #expect(
        extents.map { $0["state"]?.string }
          == ["backing, depth 3", "backing, depth 2", "local", "unallocated"])
      #expect(extents.map { $0["flags"]?.integer } == [3, 2, 1, 0])
      #expect(extents.map { $0["length"]?.integer } == [65536, 65536, 65536, 851_968])
    }
  }

  /// Makes images with a script.
  private func make(_ commands: String, in workspace: Workspace) throws {
    let result = try ChildProcess.run(
      ["sh", "-c", "set -e; cd \(workspace.path)\n\(commands)"], within: .seconds(60))
    try #require(result.status == 0, "\(result.output)")
  }
}
