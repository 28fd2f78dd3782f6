// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Linux
internal import NBD
internal import Varlink

/// What the user decides about a device: a configuration file, or the context of an Attach.
nonisolated struct DeviceConfiguration: Sendable, Equatable {
  var name: String
  var uri: URI
  /// Index of the /dev/nbdN asked for; nil: any that is free.
  var device: Int?
  var readOnly = false
  var autoAttach = true
  /// The user knows that another device may have the same export.
  var shared = false
  /// The name that the server's certificate has to be for, if it is not the URI's host.
  var tlsHostname: String?
  /// False: the server is not verified.
  var verifyPeer: Bool?
  var mount: Mount?
  var settings = Settings()

  struct Mount: Sendable, Equatable {
    var path: String
    var type: String?
    var options: [String] = []
    var check = false
  }

  /// True if the difference to another context only concerns attempts to come.
  func servesAlike(_ other: DeviceConfiguration) -> Bool {
    var (mine, theirs) = (self, other)
    mine.autoAttach = theirs.autoAttach
    mine.settings.connectTimeout = theirs.settings.connectTimeout
    mine.settings.negotiationTimeout = theirs.settings.negotiationTimeout
    mine.settings.reconnectDelay = theirs.settings.reconnectDelay
    mine.settings.giveUpAfter = theirs.settings.giveUpAfter
    mine.settings.afterGiveUp = theirs.settings.afterGiveUp
    return mine == theirs
  }

  /// This one, with what another says of connections to come.
  ///
  /// Everything else was told to the kernel or to the relay, or done, when the device was attached.
  func connecting(as other: DeviceConfiguration) -> DeviceConfiguration {
    var context = self
    context.uri = other.uri
    context.autoAttach = other.autoAttach
    context.shared = other.shared
    context.tlsHostname = other.tlsHostname
    context.verifyPeer = other.verifyPeer
    context.settings.connectTimeout = other.settings.connectTimeout
    context.settings.negotiationTimeout = other.settings.negotiationTimeout
    context.settings.reconnectDelay = other.settings.reconnectDelay
    context.settings.giveUpAfter = other.settings.giveUpAfter
    context.settings.afterGiveUp = other.settings.afterGiveUp
    context.settings.tlsCertificates = other.settings.tlsCertificates
    context.settings.tlsPSKFile = other.settings.tlsPSKFile
    context.settings.tlsPriority = other.settings.tlsPriority
    return context
  }

  /// The keys whose values are not the other's.
  func keys(unlike other: DeviceConfiguration) -> [String] {
    let (mine, theirs) = (json, other.json)
    let names = [mine, theirs].flatMap { $0.members ?? [] }.map(\.name)
    return Set(names).sorted().filter { mine[$0] != theirs[$0] }
  }
}

// MARK: reading

extension DeviceConfiguration {
  /// Reads a context; nil if `fields` found a fault.
  ///
  /// - Parameters:
  ///   - fields: The object; its faults are added to.
  ///   - name: The name by the file; nil if it has to stand in the object.
  ///   - defaults: For settings that are absent.
  nonisolated init?(_ fields: inout ConfigurationReader, name: String?, defaults: Settings) {
    let given = fields.string("name")
    if let given, let name, given != name {
      fields.fault(
        "name", "the name is \"\(name)\", as the file's; leave this out or rename the file")
    }
    let chosen = name ?? given
    if chosen == nil { fields.missing("name", "a name for the device") }
    if let chosen, !Self.isName(chosen) {
      fields.fault("name", "\"\(shown(chosen))\" is not a name: \(Self.nameRule)")
    }
    let uri = fields.uri("uri")
    let device = fields.string("device", "\"/dev/nbd0\" or \"nbd0\"") { Sysfs.index(of: $0) }
    let readOnly = fields.bool("readOnly") ?? false
    let autoAttach = fields.bool("autoAttach") ?? true
    let shared = fields.bool("shared") ?? false
    let tlsHostname = fields.string("tlsHostname")
    let verifyPeer = fields.bool("verifyPeer")
    let mount = fields.object("mount") { Mount(&$0) }
    let settings = Settings(&fields, defaults)
    if settings.afterGiveUp == .abandon, settings.giveUpAfter == nil {
      fields.fault("afterGiveUp", "\"abandon\" needs giveUpAfter: when is that to be?")
    }
    if settings.path == .direct, let gap = uri?.relayNeed { fields.fault("uri", gap) }
    if mount?.type == "swap" { fields.fault("mount", Self.swapRefusal) }
    fields.finish()
    guard fields.isSound, let chosen, let uri else { return nil }
    self.init(
      name: chosen, uri: uri, device: device, readOnly: readOnly, autoAttach: autoAttach,
      shared: shared, tlsHostname: tlsHostname, verifyPeer: verifyPeer, mount: mount,
      settings: settings)
  }

  /// Letters, digits, '.', '_' and '-', at most 64, first a letter or digit.
  nonisolated static func isName(_ text: String) -> Bool {
    guard 1...64 ~= text.utf8.count, let first = text.utf8.first, isLetterOrDigit(first) else {
      return false
    }
    return text.utf8.allSatisfy { isLetterOrDigit($0) || "._-".utf8.contains($0) }
  }

  nonisolated private static let swapRefusal =
    "swap on a network block device can end in a deadlock: to write a page out takes memory"

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

extension DeviceConfiguration.Mount {
  nonisolated init?(_ fields: inout ConfigurationReader) {
    let path = fields.string("path", "an absolute path") { $0.hasPrefix("/") ? $0 : nil }
    if path == nil { fields.missing("path", "where to mount") }
    let word = "letters, digits and '.', '_' or '-'"
    let type = fields.string("type", "a file system type: \(word)") {
      DeviceConfiguration.isName($0) ? $0 : nil
    }
    let options = fields.strings("options", "an option of mount(8) without a comma") {
      $0.isEmpty || $0.contains(",") ? nil : $0
    }
    let check = fields.bool("check") ?? false
    fields.finish()
    guard let path else { return nil }
    self.init(path: path, type: type, options: options ?? [], check: check)
  }
}

// MARK: writing

extension DeviceConfiguration {
  /// As the control interface and a configuration file have it.
  nonisolated var json: JSON {
    let own = JSON.object([
      "name": JSON(name),
      "uri": JSON(uri.description),
      "device": device.map { JSON(DeviceNode.path($0)) },
      "readOnly": JSON(readOnly),
      "autoAttach": JSON(autoAttach),
      "shared": JSON(shared),
      "tlsHostname": tlsHostname.map { JSON($0) },
      "verifyPeer": verifyPeer.map { JSON($0) },
      "mount": mount?.json,
    ])
    return JSON(.object((own.members ?? []) + (settings.json.members ?? [])))
  }
}

extension DeviceConfiguration.Mount {
  nonisolated fileprivate var json: JSON {
    .object([
      "path": JSON(path),
      "type": type.map { JSON($0) },
      "options": options.isEmpty ? nil : JSON(options),
      "check": JSON(check),
    ])
  }
}
