// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import BlockDevice
internal import Linux
internal import Varlink

/// A device by what people call it.
extension Client {
  /// The name of a device, given that, its nbdN, a node of it, or where it is mounted.
  ///
  /// What is none of them is answered as it is, for nbdd to refuse.
  func name(for text: String) throws(Failure) -> String {
    guard text.hasPrefix("/") || Sysfs.index(of: text) != nil else { return text }
    let devices = try call("Status")["devices"]?.array ?? []
    let name = { (device: JSON) in device["context"]?["name"]?.string }
    // A device can be called nbd0, too.
    if devices.contains(where: { name($0) == text }) { return text }
    let path = text.hasPrefix("/") ? text : "/dev/\(text)"
    let paths = [path, realPath(path)]
    let found = devices.first { !$0.places.filter(paths.contains).isEmpty }
    return found.flatMap(name) ?? text
  }
}

extension JSON {
  /// Where a device as the interface has it is found: its nodes, and its mount point.
  fileprivate var places: [String] {
    let runtime = self["runtime"]
    let paths = [runtime?["device"], runtime?["mount"]?["path"]].compactMap { $0?.string }
    return paths + (runtime?["partitions"]?.array?.compactMap(\.string) ?? [])
  }
}

/// What a shell may offer where a device is to be named: nothing if nbdd does not answer at once.
enum DeviceNames {
  static let completion = CompletionKind.custom { words, _, prefix in
    let given = words.firstIndex(of: "--socket").flatMap { words.dropFirst($0 + 1).first }
    guard
      let client = try? Client(
        path: given ?? DaemonOptions.usualSocket, within: .milliseconds(300)),
      let devices = try? client.call("Status")["devices"]?.array
    else { return [] }
    return devices.compactMap { $0["context"]?["name"]?.string }.filter { $0.hasPrefix(prefix) }
  }
}
