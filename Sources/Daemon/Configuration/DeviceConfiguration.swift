// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import Varlink

/// The user's settings for a device: a configuration file, or the context of an Attach.
nonisolated struct DeviceConfiguration: Sendable, Equatable {
  var name: String
  var uri: URI
  /// Index of the requested /dev/nbdN; nil: any free one.
  var device: Int?
  var readOnly = false
  var autoAttach = true
  /// The user knows that another device may have the same export.
  var shared = false
  /// The name that the server's certificate must be for, if it is not the URI's host.
  var tlsHostname: String?
  /// False: the server is not verified.
  var verifyPeer: Bool?
  var mount: Mount?
  var settings = Settings()

  struct Mount: Sendable, Equatable {
    var path: String
    /// The number of the partition with the file system; nil: it is on the whole device.
    var partition: Int?
    var type: String?
    var options: [String] = []
    var check = false
    /// How long systemd lets units wait for the device; nil: its own default.
    var deviceTimeout: Duration?
  }
}

// MARK: comparing

extension DeviceConfiguration {
  /// True if the differences from another configuration do not affect what is attached.
  nonisolated func servesAlike(_ other: DeviceConfiguration) -> Bool {
    Self.keys.allSatisfy { key in
      key.effect == .atOnce || key.effect == .nextStart || key.isEqual(self, other)
    }
  }

  /// Returns this configuration, with everything that does not concern the attachment itself taken
  /// from another.
  ///
  /// The rest was passed to the kernel or the relay, or carried out, when the device was attached.
  nonisolated func connecting(as other: DeviceConfiguration) -> DeviceConfiguration {
    var configuration = self
    for key in Self.keys where key.effect != .nextAttach { key.copy(other, &configuration) }
    return configuration
  }

  /// Returns the keys whose values differ from the other's.
  nonisolated func keys(unlike other: DeviceConfiguration) -> [String] {
    Self.keys.filter { !$0.isEqual(self, other) }.map(\.name).sorted()
  }
}

// MARK: reading and writing

extension DeviceConfiguration {
  /// Reads a configuration; nil if `reader` found a fault.
  ///
  /// - Parameters:
  ///   - reader: The object; faults that are found are added to it.
  ///   - name: The name that the file's name gives; nil if the object must contain it.
  ///   - defaults: The values of settings that are absent.
  nonisolated init?(_ reader: inout ConfigurationReader, name: String?, defaults: Settings) {
    self = .standard
    settings = defaults
    let chosen = Self.name(&reader, file: name)
    reader.read(Self.keys, into: &self)
    checkRules(&reader)
    reader.finish()
    guard reader.isSound, let chosen else { return nil }
    self.name = chosen
  }

  /// Reads what an nbdd of any version has written: what this one does not know is left out.
  ///
  /// Nil without a name or a URI.
  nonisolated init?(remembered json: JSON) {
    var reader = ConfigurationReader(json, file: "Record")
    self = .standard
    guard let name = Self.name(&reader, file: nil), reader.uri("uri") != nil, reader.isSound
    else { return nil }
    reader = ConfigurationReader(json, file: "Record")
    reader.read(Self.keys, into: &self)
    self.name = name
  }

  /// The configuration as the control interface and a configuration file contain it.
  nonisolated var json: JSON { .object(Self.keys, of: self) }

  nonisolated private static func name(
    _ reader: inout ConfigurationReader, file name: String?
  ) -> String? {
    let given = reader.string("name")
    if let given, let name, given != name {
      reader.fault(
        "name", "the name is \"\(name)\", as the file's; leave this out or rename the file")
    }
    let chosen = name ?? given
    if chosen == nil { reader.missing("name", "a name for the device") }
    if let chosen, !isName(chosen) {
      reader.fault("name", "\"\(shown(chosen))\" is not a name: \(nameRule)")
    }
    return chosen
  }

  /// Letters, digits, '.', '_' and '-', at most 64, first a letter or digit.
  nonisolated static func isName(_ text: String) -> Bool {
    guard 1...64 ~= text.utf8.count, let first = text.utf8.first, isLetterOrDigit(first) else {
      return false
    }
    return text.utf8.allSatisfy { isLetterOrDigit($0) || "._-".utf8.contains($0) }
  }

  nonisolated static let nameRule =
    "letters, digits, '.', '_' and '-', at most 64 of them, the first a letter or digit"

  nonisolated private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"):
      true
    default: false
    }
  }
}

// MARK: rules that concern several keys

extension DeviceConfiguration {
  nonisolated private func checkRules(_ reader: inout ConfigurationReader) {
    if settings.afterGiveUp == .abandon, settings.giveUpAfter == nil {
      reader.fault("afterGiveUp", "\"abandon\" requires giveUpAfter")
    }
    if settings.path == .direct, let need = uri.relayNeed { reader.fault("uri", need) }
    if mount?.type == "swap" { reader.fault("mount", Self.swapRefusal) }
  }

  nonisolated private static let swapRefusal =
    "swap on a network block device can end in a deadlock: to write a page out takes memory"
}

extension URI {
  /// Why only the relay can attach it, for people; nil if the kernel can too.
  nonisolated fileprivate var relayNeed: String? {
    if tls != nil { return "the kernel does not speak TLS; leave \"path\": \"direct\" out" }
    if case .vsock = transport {
      return "the kernel takes no vsock; leave \"path\": \"direct\" out"
    }
    return nil
  }
}
