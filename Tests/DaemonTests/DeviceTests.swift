// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import ControlAPI
import Glibc
import Linux
import NBD
import Testing
import TestSupport
import Varlink

@testable import Daemon

/// Devices as the control interface reports them, as far as they get without the driver.
@Suite(.timeLimit(.minutes(1)))
struct DeviceTests {
  private let directory: TemporaryDirectory
  private let manager: Manager
  private let interface: Interface

  // Threads report to their device, and the device to its manager, even after a test has ended.
  private static var managers: [Manager] = []

  init() throws {
    directory = try TemporaryDirectory()
    manager = Manager(directory: directory.path, keeperPath: nil)
    Self.managers.append(manager)
    interface = try Interface(parsing: ControlInterface.text)
  }

  /// A device whose server is at a socket in the directory, if there is one at all.
  private func device(mount: DeviceConfiguration.Mount? = nil) throws -> Device {
    var context = DeviceConfiguration(
      name: "db", uri: try URI(parsing: "nbd+unix:///x?socket=\(directory.path)/socket"))
    // Asked for by its number, a kernel device is not looked for; and this one nobody has.
    context.device = 32767
    context.mount = mount
    // The main actor, which plays the server, may be busy with other tests for long.
    context.settings.negotiationTimeout = .seconds(600)
    return manager.add(context)
  }

  /// A server that takes connections and never reads them.
  private func silentServer() throws -> Descriptor {
    try ControlSocket.listen(at: "\(directory.path)/socket", group: nil)
  }

  private func wait(until condition: () -> Bool) async throws {
    while !condition() { try await Task.sleep(for: .milliseconds(5)) }
  }

  private func client(of listener: Descriptor) async throws -> Descriptor {
    var client: Descriptor?
    try await wait {
      client = (try? ControlSocket.accept(on: listener)) ?? client
      return client != nil
    }
    return try #require(client)
  }

  /// The runtime as the interface has it, after a check of the whole.
  private func runtime(_ device: Device, _ location: SourceLocation = #_sourceLocation) -> JSON {
    let json = device.report.status.json
    #expect(interface.problems(in: json, as: .named("Device")) == [], sourceLocation: location)
    return json["runtime"] ?? .null
  }

  // MARK: without a server

  @Test func `a detached device has neither a kernel device nor a failure`() throws {
    let device = try device(mount: DeviceConfiguration.Mount(path: "/srv"))
    let runtime = runtime(device)
    #expect(runtime["state"] == "detached")
    #expect(runtime["message"] == "not attached")
    #expect(runtime["source"] == "control")
    #expect(runtime["mount"] == ["path": "/srv", "mounted": false])
    for absent in ["device", "failure", "nextAttemptRealtimeUSec", "export", "holders", "thread"] {
      #expect(runtime[absent] == nil)
    }
  }

  @Test func `a device that waits tells why, and when it goes on`() async throws {
    let device = try device()
    device.attach()
    #expect(runtime(device)["state"] == "connecting")
    try await wait { device.lifecycle.attempts >= 4 && device.lifecycle.phase == .waiting }
    let now = Clocks.realtime
    let runtime = runtime(device)
    #expect(runtime["state"] == "reconnecting")
    let message = try #require(device.lifecycle.failure?.message)
    #expect(message.contains("\(directory.path)/socket"))
    #expect(
      runtime["failure"] == ["stage": "connect", "kind": "unreachable", "message": JSON(message)])
    #expect(runtime["message"]?.string?.hasPrefix("\(message), next attempt ") == true)
    #expect(device.report.trouble?.hasPrefix("\(message), next attempt ") == true)
    let next = try #require(runtime["nextAttemptRealtimeUSec"]?.integer)
    #expect(next > now - 1_000_000 && next < now + 31_000_000)
    device.detach(force: false)
    #expect(device.lifecycle.phase == .detached)
    #expect(self.runtime(device)["message"] == "not attached")
  }

  @Test func `a server that is not one for NBD is shown as failed`() async throws {
    let device = try device()
    let listener = try silentServer()
    device.attach()
    let client = try await client(of: listener)
    #expect(try ControlSocket.send(Array("220 mail.example.com".utf8), on: client) == 20)
    try await wait { device.lifecycle.phase == .waiting }
    #expect(runtime(device)["state"] == "failed")
    #expect(runtime(device)["failure"]?["stage"] == "negotiate")
    device.detach(force: true)
    #expect(device.lifecycle.phase == .detached)
  }

  @Test func `a detach interrupts the negotiation with a server that says nothing`() async throws {
    let device = try device()
    let listener = try silentServer()
    device.attach()
    let client = try await client(of: listener)
    let connecting = runtime(device)
    #expect(connecting["state"] == "connecting")
    #expect(connecting["message"]?.string?.hasPrefix("connecting to nbd+unix:///x") == true)
    device.detach(force: false)
    #expect(runtime(device)["state"] == "detaching")
    #expect(runtime(device)["message"] == "cancelling the attempt")
    try await wait { device.lifecycle.phase == .detached }
    withExtendedLifetime(client) {}
  }

  @Test func `a change is pending until the next attempt`() async throws {
    let device = try device()
    device.attach()
    var context = device.configuration
    context.readOnly = true
    device.change(context)
    #expect(runtime(device)["pending"] == true)
    #expect(!device.configuration.readOnly)
    device.detach(force: true)
    try await wait { device.lifecycle.phase == .detached }
    #expect(runtime(device)["pending"] == false)
    #expect(device.configuration.readOnly)
  }

  @Test func `a change during a first attempt is tried when that has failed, at once`() async throws
  {
    let device = try device()
    var context = device.configuration
    context.settings.reconnectDelay = .seconds(3600)
    device.change(context)
    let listener = try silentServer()
    device.attach()
    let client = try await client(of: listener)
    context.uri = try URI(parsing: "nbd+unix:///y?socket=\(directory.path)/none")
    context.readOnly = true
    device.change(context)
    #expect(runtime(device)["pendingKeys"] == ["readOnly", "uri"])
    // The error is persistent, so by itself the next attempt would come in an hour.
    _ = try ControlSocket.send(Array("220 mail.example.com".utf8), on: client)
    try await wait { device.configuration == context }
    #expect(runtime(device)["pendingKeys"] == nil)
    device.detach(force: true)
    try await wait { device.lifecycle.phase == .detached }
  }

  @Test func `who detaches when an attempt fails leaves no timer behind`() async throws {
    let device = try device()
    var failures = 0
    var isDetached = false
    device.observe { observation in
      guard case .attemptFailed = observation else { return false }
      failures += 1
      device.detach(force: false)
      isDetached = device.lifecycle.phase == .detached
      return true
    }
    device.attach()
    try await wait { failures > 0 }
    #expect(isDetached)
    // A timer that is left would tell of a change after no time.
    var isTold = false
    device.observe { _ in
      isTold = true
      return true
    }
    try await Task.sleep(for: .milliseconds(50))
    #expect(!isTold)
  }

  // MARK: as if there were a driver

  nonisolated static let held = ["dd (pid 42)", "mounted at /srv"]
  nonisolated static let stuck = Failure(.kernel, "did not come up")
  nonisolated static let busy = Failure(.detach, "in use", holders: held)
  nonisolated static let attached: [Lifecycle.Event] = [
    .attach, .serving, .settled(nil), .mounted(nil),
  ]

  nonisolated static let ways: [(events: [Lifecycle.Event], state: String, message: String)] = [
    ([.attach, .serving], "attaching", "waiting for /dev/nbd32767 and its partitions"),
    (
      [.attach, .serving, .settled(nil)], "attaching",
      "mounting /dev/nbd32767 at /proc/nbdd/mount"
    ),
    ([.attach, .serving, .settled(stuck)], "reconnecting", "disconnecting /dev/nbd32767"),
    (attached, "attached", "attached as /dev/nbd32767"),
    (
      [.attach, .serving, .settled(nil), .mounted(Failure(.mount, "wrong fs type"))], "attached",
      "attached as /dev/nbd32767; not mounted at /proc/nbdd/mount: wrong fs type"
    ),
    (attached + [.detach(force: false)], "detaching", "unmounting /proc/nbdd/mount"),
    (
      attached + [.detach(force: false), .unmounted(nil)], "detaching",
      "sending the last writes of /dev/nbd32767 to the server"
    ),
    (
      attached + [.detach(force: false), .unmounted(nil), .quiesced(nil)], "detaching",
      "disconnecting /dev/nbd32767"
    ),
    (
      attached + [.detach(force: false), .unmounted(busy)], "attaching",
      "mounting /dev/nbd32767 at /proc/nbdd/mount"
    ),
    (
      attached + [.ended(Failure(.connection, "connection lost"))], "reconnecting",
      "connection lost; waiting for /dev/nbd32767 to become free"
    ),
    (
      attached + [
        .ended(Failure(.connection, "connection lost")), .unmounted(nil),
        .released(holders: held),
      ], "reconnecting",
      "connection lost; /dev/nbd32767 is still in use: dd (pid 42), mounted at /srv; "
        + "checked again now"
    ),
  ]

  @Test(arguments: ways)
  func `in every state what is told fits the interface, and says what happens`(
    events: [Lifecycle.Event], state: String, message: String
  ) throws {
    let device = try device(mount: DeviceConfiguration.Mount(path: "/proc/nbdd/mount"))
    for event in events {
      device.handle(event)
      _ = runtime(device)
    }
    let runtime = runtime(device)
    #expect(runtime["state"]?.string == state)
    #expect(runtime["message"]?.string == message)
    #expect(runtime["device"] == "/dev/nbd32767")
    #expect(runtime["holders"] == (device.lifecycle.phase == .held ? JSON(Self.held) : nil))
    device.detach(force: true)
  }
}
