// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import ControlAPI
import Linux
import NBD
import Testing
import Varlink

@testable import Daemon

/// What nbdd and its helper processes say to each other.
struct HelperTests {
  /// A device with all that can be said of one.
  private func device() throws -> RememberedDevice {
    let setup = try Setup()
    let text = """
      { "uri": "nbd://server/x", "readAhead": "1MiB", "mount": { "path": "/mnt/x", "options": ["noatime"] } }
      """
    let configuration = try #require(try setup.reading(text, in: "x.json").devices["x"])
    var export = Export(name: "x", sizeBytes: 1 << 40, flags: [.hasFlags, .sendFlush, .readOnly])
    export.blockSizes = BlockSizes(minimum: 1, preferred: 4096, maximumPayload: 1 << 25)
    export.description = "an \u{22}export\u{22}"
    return RememberedDevice(
      configuration: configuration.configuration, file: "x.json", index: 7, blockSize: 4096,
      flags: export.flags.rawValue, connectionCount: 4, export: export, notes: ["one", "two"],
      settled: KernelWork.Settled(partitions: ["/dev/nbd7p1"], notes: ["three"]),
      mountPoint: "/mnt/x")
  }

  @Test("describe a device completely, to a helper and to the next nbdd")
  func description() throws {
    let device = try device()
    let other = try #require(RememberedDevice(device.text))
    #expect(other.configuration == device.configuration)
    #expect(other.export == device.export)
    #expect(other.json == device.json)
    #expect(other.isReadOnly)
    #expect(RememberedDevice([UInt8]("{}".utf8)) == nil)
    #expect(RememberedDevice([]) == nil)
  }

  @Test("and to one that does not know all of it, or knows more")
  func otherVersions() throws {
    let text = String(decoding: try device().text, as: UTF8.self)
    let newer = text.replacing(
      "\"readAhead\":\"1048576B\"",
      with: "\"readAhead\":\"as needed\",\"weather\":[1]")
    #expect(newer != text)
    let device = try #require(RememberedDevice(Array(newer.utf8)))
    #expect(device.configuration.name == "x")
    #expect(device.configuration.mount?.options == ["noatime"])
    #expect(device.configuration.settings.readAhead == DeviceConfiguration.Settings().readAhead)
    // Without its server a device is none.
    let homeless = newer.replacing("nbd://server:10809/x", with: "teapot:")
    #expect(RememberedDevice(Array(homeless.utf8)) == nil)
  }

  @Test("agree on each task")
  func tasks() throws {
    let tasks: [HelperTask] = [
      .settle(try device(), thread: 4711), .mount(try device()),
      .quiesce(index: 3, hasNoWrites: true, force: false),
      .quiesce(index: 3, hasNoWrites: false, force: true), .grow(index: 4, toBlocks: 1 << 31),
      .disconnect(index: 5, isClaimed: true), .clear(index: 6),
    ]
    for task in tasks {
      let other = try #require(HelperTask(task.json), "\(task.word)")
      #expect(other.json == task.json)
      #expect(other.index == task.index)
    }
    for text in ["{}", #"{"task": "settle"}"#, #"{"task": "clear"}"#, #"{"task": 1, "index": 1}"#] {
      #expect(HelperTask(try JSON(parsing: [UInt8](text.utf8), dialect: .strict)) == nil)
    }
  }

  @Test("agree on each result")
  func results() throws {
    let clear = HelperTask.clear(index: 1)
    let failure = Failure(.detach, "in use", holders: ["dd (pid 42)"])
    let failed = Result<HelperResult, Failure>.failure(failure)
    #expect(throws: failure) { try Result(clear, failed.json, claim: nil).get() }

    let settled = Result<HelperResult, Failure>.success(
      .settled(KernelWork.Settled(partitions: ["/dev/nbd7p1"], notes: ["one"])))
    let task = HelperTask.settle(try device(), thread: 1)
    #expect(Result(task, settled.json, claim: nil).json == settled.json)
    let mounted = Result<HelperResult, Failure>.success(.mounted(at: "/mnt/x"))
    #expect(Result(.mount(try device()), mounted.json, claim: nil).json == mounted.json)
    let claim = try Descriptor.open("/dev/null", 0)
    let quiesced = Result(
      .quiesce(index: 1, hasNoWrites: false, force: false), [:], claim: claim)
    #expect(quiesced.claim?.number == claim.number)
  }
}
