// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import NBD
internal import Varlink

/// What another process has to know of a device, beside what its relay needs: the next nbdd, which finds it as JSON in
/// the device's Record, and a helper.
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
  /// The kernel lets nobody write to it.
  var isReadOnly: Bool { TransmissionFlags(rawValue: flags).contains(.readOnly) }

  var json: JSON {
    var members: [(String, JSON?)] = [
      ("configuration", configuration.json), ("file", file.map { JSON($0) }),
      ("index", JSON(index)), ("blockSize", JSON(blockSize)), ("flags", JSON(flags)),
      ("connections", JSON(connectionCount)), ("exportSize", JSON(export.sizeBytes)),
      ("exportFlags", JSON(export.flags.rawValue)),
      ("unreachableBytes", JSON(export.unreachableBytes)),
      ("description", export.description.map { JSON($0) }), ("notes", JSON(notes)),
      ("mountPoint", mountPoint.map { JSON($0) }),
    ]
    if let sizes = export.blockSizes {
      members += [
        ("minimumBlock", JSON(sizes.minimum)), ("preferredBlock", JSON(sizes.preferred)),
        ("maximumPayload", JSON(sizes.maximumPayload)),
      ]
    }
    if let settled {
      members += [
        ("partitions", JSON(settled.partitions)), ("settledNotes", JSON(settled.notes)),
      ]
    }
    return JSON(
      .object(
        members.compactMap { name, value in value.map { JSON.Member(name: name, value: $0) } }))
  }

  /// The text for the Record.
  var text: [UInt8] { Array(json.text.utf8) }

  /// Nil if the text does not describe a device.
  init?(_ text: [UInt8]) {
    guard let json = try? JSON(parsing: text, dialect: .strict) else { return nil }
    self.init(json)
  }

  /// Nil if it does not describe a device.
  init?(_ json: JSON) {
    guard let given = json["configuration"], let index = json["index"]?.integer,
      let blockSize = json["blockSize"]?.integer, let flags = json["flags"]?.integer,
      let connections = json["connections"]?.integer
    else { return nil }
    guard let configuration = DeviceConfiguration(remembered: given), 0...32767 ~= index,
      512...65536 ~= blockSize, 1...64 ~= connections
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

  private static func strings(_ json: JSON?) -> [String] {
    (json?.array ?? []).compactMap(\.string)
  }
}
