// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Linux

/// Logs one line for each transition of a device, and few for events that repeat.
struct DeviceLog {
  private var rateLimit = LogRateLimit()

  mutating func transition(_ device: Device, from before: Lifecycle.State) {
    let line = "\(device.name): \(device.report.sentence)"
    switch device.state {
    case .attached where device.connections?.lastWasRestart == true:
      let time = Quantities.words(device.connections?.lastOutage ?? .zero)
      write(.notice, .back, "taken over as it was, and connected after \(time)", device)
    case .attached where device.connections?.lastOutage != nil:
      let time = Quantities.words(device.connections?.lastOutage ?? .zero)
      write(.notice, .back, "the server is back after \(time)", device)
    case .attached:
      let level = device.lifecycle.mountFailure == nil ? Journal.Level.notice : .error
      Journal.write(level, line, fields(of: device, .attached))
      for note in device.remarks {
        Journal.warning("\(device.name): \(note)", fields(of: device))
      }
    case .detached: Journal.notice("\(device.name): detached", fields(of: device, .detached))
    case .reconnecting where before == .attached, .failed where before == .attached:
      write(.warning, .lost, device.report.sentence, device)
    // Failed attempts have their own lines; intermediate steps are only for Watch.
    case .connecting, .attaching, .reconnecting, .detaching, .failed: break
    }
  }

  /// Logs the first three failed attempts, then each whose number is a power of two.
  mutating func attemptFailed(_ device: Device, _ failure: Failure, _ attempts: Int) {
    guard attempts <= 3 || attempts.nonzeroBitCount == 1 else { return }
    write(.warning, .failed, "attempt \(attempts) failed: \(failure.message)", device)
  }

  /// Logs what keeps a device from being attached again, whenever that changes.
  func held(_ device: Device) {
    guard !device.lifecycle.holders.isEmpty, let trouble = device.report.trouble else { return }
    Journal.warning("\(device.name): \(trouble)", fields(of: device))
  }

  /// Logs which keys were changed for the connections to come.
  func changed(_ device: Device, _ configuration: DeviceConfiguration) {
    let keys = configuration.keys(unlike: device.configuration).joined(separator: ", ")
    Journal.notice("\(device.name): changed for its next connections: \(keys)", fields(of: device))
  }

  func gaveUp(_ device: Device, _ count: Int) {
    let requests = count == 1 ? "1 request" : "\(count) requests"
    let rest =
      device.connections?.isCut == true ? ", and so do new ones until the server is back" : ""
    Journal.error(
      "\(device.name): given up: \(requests) failed with I/O errors\(rest)",
      fields(of: device, .givenUp))
  }

  func abandoned(_ device: Device, _ bytes: Int, _ count: Int) {
    let requests = count == 1 ? "1 request" : "\(count) requests"
    Journal.error(
      "\(device.name): given up for good: \(bytes) bytes of acknowledged writes that were not flushed "
        + "were dropped, and \(requests) failed with I/O errors; there is no connection until the "
        + "device has been detached and attached again", fields(of: device, .givenUp))
  }

  mutating func requestFailed(_ device: Device, _ message: String) {
    write(.warning, nil, message, device)
  }

  mutating func unconfirmed(_ device: Device, _ count: Int) {
    let writes = count == 1 ? "1 write" : "\(count) writes"
    write(
      .warning, nil,
      "the server may not have finished \(writes) of the lost connection: if it still executes them, they "
        + "may overwrite newer ones", device)
  }

  mutating func growthFailed(_ device: Device, _ error: String, _ pause: Duration) {
    write(
      .warning, nil,
      "the export has grown, the device not yet: \(error); retrying in "
        + Quantities.words(pause), device)
  }

  func grown(_ device: Device, _ size: UInt64) {
    let tail = device.snapshot.unreachableBytes
    let rest = tail == 0 ? "" : "; the last \(tail) of them cannot be accessed"
    Journal.notice("\(device.name): grown to \(size) bytes\(rest)", fields(of: device))
  }

  func refused(_ device: Device, _ failure: Failure) {
    Journal.warning("\(device.name): not detached: \(failure.message)", fields(of: device))
  }

  /// Writes a line of a kind that may be repeated often.
  private mutating func write(
    _ level: Journal.Level, _ event: Journal.Event?, _ message: String, _ device: Device
  ) {
    guard let addition = rateLimit.admit(at: .now) else { return }
    Journal.write(level, "\(device.name): \(message)\(addition)", fields(of: device, event))
  }

  private func fields(of device: Device, _ event: Journal.Event? = nil) -> Journal.Fields {
    Journal.Fields(
      event: event, device: device.name, node: device.index.map(DeviceNode.path),
      server: device.connections?.server ?? device.attachment?.server)
  }
}
