// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import NBD
internal import Varlink

/// What nbd-client was told about one device, by /etc/nbdtab or by its command line.
///
/// The values are as they were written: what they mean to nbdd, and whether that makes sense, is decided in `imported`.
struct NbdClientSettings {
  var device: String
  /// A host, or the path of a socket if `isUnix`.
  var server: String
  var export = ""
  var port: String?
  var isUnix = false
  var isSecure = false
  var isReadOnly = false
  var isPreinitialised = false
  var isSwap = false
  var certificate: String?
  var key: String?
  var authority: String?
  var hostname: String?
  var priority: String?
  var blockSize: String?
  var size: String?
  var requestTimeout: String?
  var deadTimeout: String?
  var connections: String?

  /// Whether the connection is encrypted: naming any file of it, or the server's name, says so as well.
  private var wantsTLS: Bool {
    isSecure || certificate != nil || key != nil || authority != nil || hostname != nil
  }
}

/// Why something cannot be imported.
struct ImportError: Error, Equatable {
  var message: String

  init(_ message: String) { self.message = message }
}

/// A device file, and what it does not say.
struct ImportedDevice {
  var name: String
  /// Such as /dev/nbd0.
  var device: String
  var file: JSON
  var warnings: [String] = []
}

extension NbdClientSettings {
  /// The device file for nbdd.
  ///
  /// The device is called like its export, if that can be a name and is not in `taken`, else like the kernel device.
  func imported(besides taken: Set<String>) throws(ImportError) -> ImportedDevice {
    guard let index = Sysfs.index(of: device) else {
      throw ImportError("\(device) is not a device of the nbd driver, such as nbd0")
    }
    if isPreinitialised { throw ImportError("preinit: nbdd always negotiates with the server") }
    var warnings: [String] = []
    let name = name(index, besides: taken)
    let uri = try uri()
    var members: [(String, JSON?)] = [
      ("uri", JSON(uri.description)), ("device", JSON("nbd\(index)")), ("autoAttach", false),
    ]
    if isReadOnly { members.append(("readOnly", true)) }
    if wantsTLS { members += try security(name, &warnings) }
    members.append(("connections", try connectionCount(&warnings)))
    members.append(("requestTimeout", try seconds("timeout", requestTimeout)))
    members.append(("giveUpAfter", try seconds("dead-timeout", deadTimeout)))
    if let blockSize, blockSize != "512" {
      warnings.append(
        "the block size \(blockSize) is left out: nbdd takes what the server asks for")
    }
    if let size {
      warnings.append("the size \(size) is left out: nbdd takes the size of the export")
    }
    if isSwap {
      warnings.append(
        "swap is left out: nbdd always locks what it needs into memory; declare the swap itself in fstab"
      )
    }
    let file = JSON(
      .object(members.compactMap { key, value in value.map { .init(name: key, value: $0) } }))
    return ImportedDevice(name: name, device: "/dev/nbd\(index)", file: file, warnings: warnings)
  }

  private func name(_ index: Int, besides taken: Set<String>) -> String {
    let first: (Unicode.Scalar) -> Bool = { $0.properties.isAlphabetic || "0"..."9" ~= $0 }
    let isName =
      1...64 ~= export.utf8.count && export.unicodeScalars.allSatisfy(\.isASCII)
      && export.unicodeScalars.first.map(first) == true
      && export.unicodeScalars.allSatisfy { first($0) || "._-".unicodeScalars.contains($0) }
    return isName && !taken.contains(export) ? export : "nbd\(index)"
  }

  private func uri() throws(ImportError) -> URI {
    let transport: URI.Transport
    if isUnix {
      guard server.hasPrefix("/") else {
        throw ImportError("\(server): the path of a socket has to begin with a slash")
      }
      transport = .unix(path: Array(server.utf8))
    } else {
      let number = port.map { UInt16($0) } ?? URI.defaultPort
      guard let number, number > 0 else {
        throw ImportError("port \(port ?? ""): expected a number from 1 to 65535")
      }
      transport = .tcp(host: server, port: number)
    }
    do throws(URIError) {
      var uri = try URI(parsing: "nbd://localhost/")
      (uri.transport, uri.exportName) = (transport, export)
      if wantsTLS { uri.tls = URI.TLS() }
      // What is not possible in a URI is not possible in a device file.
      return try URI(parsing: uri.description)
    } catch {
      throw ImportError("\(server): \(error)")
    }
  }

  /// nbdd has all credentials in one directory, under fixed names.
  private func security(
    _ name: String, _ warnings: inout [String]
  ) throws(ImportError) -> [(String, JSON?)] {
    var members: [(String, JSON?)] = []
    let files = [
      (authority, "ca-cert.pem"), (certificate ?? key, "client-cert.pem"), (key, "client-key.pem"),
    ].compactMap { source, target in source.map { ($0, target) } }
    if !files.isEmpty {
      let directory = "/etc/nbdd/tls/\(name)"
      members.append(("tlsCertificates", JSON(directory)))
      let commands = files.map { "install -D -m 600 \($0) \(directory)/\($1)" }
      warnings.append("put the credentials in place: \(commands.joined(separator: "; "))")
    }
    if let hostname { members.append(("tlsHostname", JSON(hostname))) }
    if authority == nil || (isUnix && hostname == nil) {
      warnings.append(
        "nbd-client did not verify the server; nbdd does, by "
          + (authority == nil ? "the system's CAs" : "that CA")
          + (isUnix && hostname == nil
            ? ": set tlsHostname to the name in the server's certificate" : ""))
    }
    if let priority {
      warnings.append(
        "the priority \(priority) is left out: nbdd uses TLS 1.2 and newer with GnuTLS's defaults")
    }
    return members
  }

  private func connectionCount(_ warnings: inout [String]) throws(ImportError) -> JSON? {
    guard let connections else { return nil }
    guard let count = Int(connections), count > 0 else {
      throw ImportError("conns \(connections): expected a number above 0")
    }
    if count > 16 { warnings.append("\(count) connections become 16, the most that nbdd makes") }
    return JSON(min(count, 16))
  }

  /// A time in seconds; 0 stands for none.
  private func seconds(_ key: String, _ text: String?) throws(ImportError) -> JSON? {
    guard let text else { return nil }
    guard let seconds = Int(text), 0...(24 * 3600) ~= seconds else {
      throw ImportError("\(key) \(text): expected a number of seconds, at most a day")
    }
    return seconds == 0 ? nil : JSON("\(seconds)s")
  }
}
