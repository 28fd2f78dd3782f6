// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import NBD
internal import Varlink

/// What nbdd leaves to its successor about a device, beside what the relay needs: as JSON in the device's Record.
///
/// Members that a successor does not know are ignored, and for those that it misses it has defaults, so that either
/// may be the newer one.
nonisolated struct RememberedDevice: Sendable {
  /// The configuration in force.
  var configuration: DeviceConfiguration
  /// The configuration file; nil for a device that was attached by its URI.
  var file: String?
  var index: Int
  var blockSize: UInt32
  /// The flags that the kernel has.
  var flags: UInt16
  var connectionCount: Int
  /// The export as the server described it last.
  var export: Export
  var notes: [String] = []
  /// The device was usable, and its queue was set up.
  var settled: KernelWork.Settled?
  var mountPoint: String?
}

nonisolated extension RememberedDevice {
  /// The text for the Record.
  var text: [UInt8] {
    var members: [JSON.Member] = [
      member("configuration", configuration.json),
      member("index", JSON(.integer(Int64(index)))),
      member("blockSize", JSON(.integer(Int64(blockSize)))),
      member("flags", JSON(.integer(Int64(flags)))),
      member("connections", JSON(.integer(Int64(connectionCount)))),
      member("exportSize", JSON(.integer(Int64(clamping: export.sizeBytes)))),
      member("exportFlags", JSON(.integer(Int64(export.flags.rawValue)))),
      member("unreachableBytes", JSON(.integer(Int64(clamping: export.unreachableBytes)))),
      member("notes", strings(notes)),
    ]
    if let file { members.append(member("file", JSON(.string(file)))) }
    if let sizes = export.blockSizes {
      members.append(member("minimumBlock", JSON(.integer(Int64(sizes.minimum)))))
      members.append(member("preferredBlock", JSON(.integer(Int64(sizes.preferred)))))
      members.append(member("maximumPayload", JSON(.integer(Int64(sizes.maximumPayload)))))
    }
    if let description = export.description {
      members.append(member("description", JSON(.string(description))))
    }
    if let settled {
      members.append(member("partitions", strings(settled.partitions)))
      members.append(member("settledNotes", strings(settled.notes)))
    }
    if let mountPoint { members.append(member("mountPoint", JSON(.string(mountPoint)))) }
    return Array(JSON(.object(members)).text.utf8)
  }

  /// Nil if the text does not describe a device.
  init?(_ text: [UInt8]) {
    guard let json = try? JSON(parsing: text, dialect: .strict),
      let given = json["configuration"], let index = json["index"]?.integer,
      let blockSize = json["blockSize"]?.integer, let flags = json["flags"]?.integer,
      let connections = json["connections"]?.integer
    else { return nil }
    var reader = ConfigurationReader(given, file: "Record")
    guard
      let configuration = DeviceConfiguration(
        &reader, name: nil, defaults: DeviceConfiguration.Settings()),
      0...32767 ~= index, 512...65536 ~= blockSize, 1...64 ~= connections
    else { return nil }
    let number = { (name: String) in json[name]?.integer ?? 0 }
    var export = Export(
      name: configuration.uri.exportName, sizeBytes: UInt64(clamping: number("exportSize")),
      flags: TransmissionFlags(rawValue: UInt16(truncatingIfNeeded: number("exportFlags"))),
      description: json["description"]?.string)
    export.unreachableBytes = UInt64(clamping: number("unreachableBytes"))
    if let minimum = json["minimumBlock"]?.integer {
      export.blockSizes = BlockSizes(
        minimum: UInt32(clamping: minimum), preferred: UInt32(clamping: number("preferredBlock")),
        maximumPayload: UInt32(clamping: number("maximumPayload")))
    }
    self.init(
      configuration: configuration, file: json["file"]?.string, index: Int(index),
      blockSize: UInt32(blockSize), flags: UInt16(truncatingIfNeeded: flags),
      connectionCount: Int(connections), export: export, notes: Self.strings(json["notes"]))
    if json["partitions"] != nil {
      settled = KernelWork.Settled(
        partitions: Self.strings(json["partitions"]), notes: Self.strings(json["settledNotes"]))
    }
    mountPoint = json["mountPoint"]?.string
  }

  private func member(_ name: String, _ value: JSON) -> JSON.Member {
    JSON.Member(name: name, value: value)
  }

  private func strings(_ values: [String]) -> JSON {
    JSON(.array(values.map { JSON(.string($0)) }))
  }

  private static func strings(_ json: JSON?) -> [String] {
    (json?.array ?? []).compactMap(\.string)
  }
}
