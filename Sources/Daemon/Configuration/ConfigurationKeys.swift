// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import Varlink

// The only definition of the configuration keys: parsing, writing, what a reload may change, the
// schemas in config/, the tables of the manuals and the `Context` of the control interface all come
// from here. To add one, add a property and its row here, and run
//
//     NBDD_UPDATE_GOLDEN=1 swift test --filter GeneratedDocuments
//
// They are in this module, and not in ControlAPI, because they name properties of types that only
// the daemon has. Rules that concern several keys are in DeviceConfiguration.swift.

/// The keys of nbdd.json.
nonisolated extension Configuration {
  static let keys: [ConfigurationKey<Self>] = [
    .init(
      \.defaults, "defaults", .object(DeviceConfiguration.Settings.keys, interface: "Settings"),
      effect: .atOnce, in: .daemon,
      "Defaults for devices whose own file does not set them.",
      details:
        "Any of \(DeviceConfiguration.Settings.keys.map { "`\($0.name)`" }.joined(separator: ", "))"
    ),
    .init(
      \.stopTimeout, "stopTimeout", .duration(.seconds(1) ... .seconds(3600)), effect: .atOnce,
      in: .daemon, examples: ["2min"],
      """
      How long a stop waits for a device that is in use, or that sends its last writes without any \
      progress, before it detaches it by force.
      """),
    .init(
      \.shutdownTimeout, "shutdownTimeout", .duration(.seconds(1) ... .seconds(3600)),
      effect: .atOnce, in: .daemon, examples: ["2min"],
      """
      How long a server may be silent while the machine shuts down, before the requests to it fail with I/O \
      errors, so that services end and file systems are unmounted.
      """),
  ]
}

/// The keys of devices.d/NAME.json and of a `Context`.
nonisolated extension DeviceConfiguration {
  static let keys = own + Settings.keys.map { $0.of(\.settings) }

  private static let own: [ConfigurationKey<Self>] = [
    .init(
      \.name, "name", .text(pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), .neededInCalls,
      in: .whatAndWhere, examples: ["db"],
      """
      The device's name: letters, digits, `.`, `_` and `-`, at most 64, the first a letter or digit. A \
      file has its name without `.json`.
      """),
    .init(
      \.uri, "uri", .uri, .needed("an NBD URI, as \"nbd://server.example.com/export\""),
      effect: .nextConnection, in: .whatAndWhere,
      examples: [
        "nbd://storage.example.com/backup", "nbds://alice@storage.example.com/db",
        "nbd+unix:///backup?socket=/run/server.sock", "nbd+vsock://2/backup",
      ],
      """
      Where the export is: `nbd://HOST[:PORT]/EXPORT`, `nbd+unix:///EXPORT?socket=PATH` or \
      `nbd+vsock://CID[:PORT]/EXPORT`; under TLS with `nbds` in place of `nbd`.
      """),
    .init(
      optional: \.device, "device", .device, absent: .words("any that is free"),
      in: .whatAndWhere, examples: ["/dev/nbd3", "nbd4"],
      "The kernel device, `/dev/nbd3` or `nbd3`; two files cannot ask for the same."),
    .init(
      \.readOnly, "readOnly", .bool, in: .whatAndWhere,
      "Attach read-only even if the server would allow writes."),
    .init(
      \.autoAttach, "autoAttach", .bool, effect: .nextStart, in: .whatAndWhere,
      "Attach when nbdd starts, or first reads the file."),
    .init(
      \.shared, "shared", .bool, effect: .nextConnection, in: .whatAndWhere,
      """
      Another device may have the same export at the same time, if it says so too: for cluster file \
      systems. Without it, or `readOnly`, in both, nbdd refuses the second.
      """,
      details: "See *One export, one device*"),
    .init(
      optional: \.tlsHostname, "tlsHostname", .text(), absent: .words("the URI's host"),
      effect: .nextConnection, in: .tls, examples: ["nbd.example.com"],
      "The name or address that the server's certificate must be for.",
      details: "A UNIX socket or vsock needs one"),
    .init(
      optional: \.verifyPeer, "verifyPeer", .bool, absent: .value(true),
      effect: .nextConnection, in: .tls,
      "`false`: the server is not verified, which is insecure."),
    .init(
      optional: \.mount, "mount", .object(Mount.keys, interface: "Mount"), absent: .words("none"),
      isForRoot: true, in: .whatAndWhere, examples: [["path": "/srv/backup"]],
      "A file system that nbdd mounts after each attach and unmounts before each detach."),
  ]
}

/// The keys of `mount`.
nonisolated extension DeviceConfiguration.Mount {
  static let keys: [ConfigurationKey<Self>] = [
    .init(
      \.path, "path", .absolutePath, .needed("where to mount"), in: .whatAndWhere,
      examples: ["/srv/backup"],
      "Where, as an absolute path; made if it is missing."),
    .init(
      optional: \.partition, "partition", .integer(1...255), absent: .words("the whole device"),
      in: .whatAndWhere, examples: [1],
      "The number of the partition that has the file system."),
    .init(
      optional: \.type, "type", fileSystemType, absent: .words("detected"), in: .whatAndWhere,
      examples: ["ext4"],
      "The file system's type, as for mount(8); swap is refused."),
    .init(
      \.options, "options",
      .texts("an option of mount(8) without a comma", pattern: "^[^,]+$") {
        !$0.isEmpty && !$0.contains(",")
      },
      in: .whatAndWhere, examples: [["noatime", "nodev"]],
      "As for mount(8), one each, without commas.",
      details: """
        As a service nbdd is restricted (`nbdd.service`), and mount(8) with it: `X-mount.idmap` needs a \
        drop-in with `RestrictNamespaces=no`
        """),
    .init(
      \.check, "check", .bool, in: .whatAndWhere,
      "Run fsck(8) before each mount."),
    .init(
      optional: \.deviceTimeout, "deviceTimeout", .duration(.seconds(1)...day),
      absent: .words("systemd's own, 90 s"), in: .whatAndWhere, examples: ["10min"],
      """
      How long units that require the mount wait for the device when they are started, for example at boot, before they \
      fail. With systemd only.
      """),
  ]

  private static let day = Duration.seconds(86400)

  private static let fileSystemType: ValueType<String> = {
    var type = ValueType<String>.text(
      "a file system type: letters, digits and '.', '_' or '-'",
      pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
    ) { DeviceConfiguration.isName($0) }
    type.description.schema.append(.init(name: "not", value: ["const": "swap"]))
    return type
  }()
}

/// The keys that `defaults` in nbdd.json and each device can have.
nonisolated extension DeviceConfiguration.Settings {
  static let keys: [ConfigurationKey<Self>] = [
    .init(
      \.path, "path", .choice, in: .connections, examples: ["direct"],
      """
      Which side transfers the data. `relay`: nbdd, so that an outage is a pause. `direct`: the kernel itself, so that an \
      outage is I/O errors; neither TLS nor vsock.
      """,
      details: "After those errors nbdd attaches the device again once nobody holds it"),
    .init(
      \.connections, "connections", .integer(1...16), in: .connections, examples: [16],
      "How many connections there may be at a time, if the server says that several are safe. Relay only.",
      details: "The server says so by CAN_MULTI_CONN; else there is one"),
    .init(
      \.busyPoll, "busyPoll", .bool, in: .connections,
      """
      Poll for at most 50 µs before each sleep as long as that pays: small requests to a near server take much less time, and \
      nbdd takes more of the processor while it is busy. Only with several processors. Relay only.
      """),
    .init(
      \.connectTimeout, "connectTimeout", .duration(.milliseconds(1)...hour), effect: .atOnce,
      in: .timeAndMemory, examples: ["30s"],
      "How long each address of the server's name may take to accept a connection.",
      details: """
        Early in an outage of a relayed device it is less: a quarter of the outage's age, at least 300 ms
        """),
    .init(
      \.negotiationTimeout, "negotiationTimeout", .duration(.milliseconds(1)...hour),
      effect: .atOnce, in: .timeAndMemory, examples: ["30s"],
      "How long each step of the negotiation may take, the TLS handshake among them."),
    // On the direct path the driver counts seconds, and 0 would mean no limit.
    .init(
      \.requestTimeout, "requestTimeout", .duration(.seconds(1)...hour * 24),
      in: .timeAndMemory, examples: ["5min"],
      "How long the server may take to reply to a request before nbdd gives the connection up.",
      details: """
        On the relay path each 64 KiB of the reply that arrive restart that time, and the request is \
        repeated on the next connection and may take twice as long each time, up to 64 times. On the direct \
        path it is the kernel's timer, in whole seconds, rounded up, and the device is lost
        """),
    .init(
      \.reconnectDelay, "reconnectDelay", .duration(.milliseconds(100)...hour * 24),
      effect: .atOnce, in: .timeAndMemory, examples: ["2s", "5min"],
      "The longest pause between two attempts.", details: "See *Attempts* below"),
    .init(
      optional: \.giveUpAfter, "giveUpAfter", .duration(.seconds(1)...hour * 24 * 365),
      absent: .words("never"), effect: .atOnce, in: .timeAndMemory, examples: ["10min"],
      "How long a request may wait before it fails with an I/O error. Relay only.",
      details: """
        It does not matter what keeps it: no server, or one that is there and does not reply. Without a \
        connection all that wait fail then, and all that come until there is one. Attempts go on, and so \
        does the device when one succeeds
        """),
    .init(
      \.afterGiveUp, "afterGiveUp", .choice, effect: .atOnce, in: .timeAndMemory,
      examples: ["abandon"],
      """
      What happens to the device then. `retry`: it works again when the server is back, and writes that \
      were not flushed are replayed. `abandon`: they are dropped, and nbdd does not connect until the \
      device has been detached and attached again, because another machine may use the export by then. \
      Relay only.
      """,
      details: "`abandon` needs `giveUpAfter`; see *Exports that other machines may use*"),
    .init(
      \.unflushedLimit, "unflushedLimit", .size(32 << 20...1 << 30), in: .timeAndMemory,
      examples: ["256MiB"],
      "How much is kept of acknowledged writes that no completed flush covers. Relay only.",
      details: """
        At half of it, and when more than 1 MiB is kept and nothing was written for some 10 s, nbdd sends a \
        flush of its own; at all of it writes wait for one
        """),
    .init(
      optional: \.readAhead, "readAhead", .size(0...1 << 30), absent: .words("the kernel's"),
      in: .timeAndMemory, examples: ["4MiB"],
      "How far the kernel reads ahead, in whole KiB."),
    .init(
      optional: \.tlsCertificates, "tlsCertificates", .absolutePath,
      absent: .words("`$CREDENTIALS_DIRECTORY`, if systemd sets it"),
      effect: .nextConnection, isForRoot: true, in: .tls, examples: ["/etc/nbdd/tls"],
      """
      The directory with `ca-cert.pem`, `ca-crl.pem` (revoked certificates), `client-cert.pem`, \
      `client-key.pem` and `psk.txt`, as far as they are needed. Without `ca-cert.pem` the system's CAs \
      are trusted.
      """,
      details: """
        A server whose certificate, or whose CA, a list in `ca-crl.pem` (PEM) names is refused. The lists are \
        used whatever their dates. All files are read again at each attempt to connect
        """),
    .init(
      optional: \.tlsPSKFile, "tlsPSKFile", .absolutePath, absent: .words("none"),
      effect: .nextConnection, isForRoot: true, in: .tls, examples: ["/etc/nbdd/psk.txt"],
      "The file with the pre-shared key: lines of `USER:KEY`, the key hexadecimal.",
      details: """
        The user is written as it is or, behind a `#`, hexadecimal too; any other line with a `#` in front \
        is a comment. Given, the device uses a pre-shared key unless the URI has `tls-type`
        """),
    .init(
      optional: \.tlsPriority, "tlsPriority", .text(), absent: .words("TLS 1.3 and 1.2"),
      effect: .nextConnection, isForRoot: true, in: .tls,
      examples: ["SECURE192:-VERS-ALL:+VERS-TLS1.3"],
      "GnuTLS's priority string."),
  ]

  private static let hour = Duration.seconds(3600)
}

// MARK: values if nothing is configured

nonisolated extension Configuration: Configurable {
  static let standard = Self()
}

nonisolated extension DeviceConfiguration: Configurable {
  /// Its name and URI are placeholders for those that every device has.
  static let standard: Self = {
    guard let uri = try? URI(parsing: "nbd://localhost") else {
      preconditionFailure("the shortest URI is none")
    }
    return Self(name: "", uri: uri)
  }()
}

nonisolated extension DeviceConfiguration.Settings: Configurable {
  static let standard = Self()
}

nonisolated extension DeviceConfiguration.Mount: Configurable {
  static let standard = Self(path: "")
}
