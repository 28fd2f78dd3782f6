// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import NBD

nonisolated extension URI {
  /// The name of the export in /dev/disk/by-path, as "nbd-server:10809-backup"; nil if it would be too long for a file name.
  ///
  /// Bytes that udev does not take in names are written as it does, as in `\\x2f`.
  var pathName: String? {
    let place =
      switch transport {
      case .tcp(let host, let port): "\(Self.encoded(host.utf8)):\(port)"
      case .unix(let path): "unix:\(Self.encoded(path))"
      case .vsock(let cid, let port): "vsock:\(cid):\(port)"
      }
    let name = "nbd-\(place)" + (exportName.isEmpty ? "" : "-\(Self.encoded(exportName.utf8))")
    // A partition adds to it.
    return name.utf8.count <= 240 ? name : nil
  }

  private static func encoded(_ bytes: some Sequence<UInt8>) -> String {
    bytes.reduce(into: "") { text, byte in
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        text.unicodeScalars.append(Unicode.Scalar(byte))
      case _ where "#+-.:=@_".utf8.contains(byte): text.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16)
        text += "\\x\(digits.count == 1 ? "0" : "")\(digits)"
      }
    }
  }
}
