// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import BlockDevice
internal import ControlAPI
internal import Linux

/// Finds a device by any name that users may give.
extension Client {
  /// Returns the name of a device, given its name, its nbdN, one of its nodes, or its mount point.
  ///
  /// Anything else is returned unchanged, for nbdd to refuse.
  func name(for text: String) throws(Failure) -> String {
    guard text.hasPrefix("/") || Sysfs.index(of: text) != nil else { return text }
    return Self.name(for: text, among: try devices())
  }

  /// The same, among these devices.
  static func name(for text: String, among devices: [DeviceStatus]) -> String {
    // A device can be called nbd0, too.
    if devices.contains(where: { $0.context.name == text }) { return text }
    let path = text.hasPrefix("/") ? text : "/dev/\(text)"
    let paths = [path, File.realPath(path)]
    let found = devices.first { !$0.paths.filter(paths.contains).isEmpty }
    return found?.context.name ?? text
  }

  /// All devices.
  func devices() throws(Failure) -> [DeviceStatus] {
    try call(ControlMethod.status).value().devices
  }
}

extension DeviceStatus {
  /// The paths of the device: its nodes, and its mount point.
  fileprivate var paths: [String] {
    [runtime.device, runtime.mount?.path].compactMap(\.self) + (runtime.partitions ?? [])
  }
}

/// The device names that a shell offers as completions: none if nbdd does not reply at once.
enum DeviceNames {
  static let completion = CompletionKind.custom { words, _, prefix in
    let given = words.firstIndex(of: "--socket").flatMap { words.dropFirst($0 + 1).first }
    let path = given ?? DaemonOptions.usualSocket
    guard
      let client = try? Client(path: path, within: .milliseconds(300)),
      let devices = try? client.devices()
    else { return [] }
    return devices.map(\.context.name).filter { $0.hasPrefix(prefix) }
  }
}
