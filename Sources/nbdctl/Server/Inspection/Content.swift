// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import Transport

/// What an export contains, as far as its beginning shows it.
enum Content {
  /// Enough to contain the signatures of file systems and partition tables.
  private static let most: UInt64 = 128 << 10

  /// Returns what file(1) says about data read over a new connection; nil without that program, or if
  /// the export is empty.
  static func describe(
    _ request: ExportRequest, over stream: ServerStream
  ) throws -> String? {
    guard stream.restart() else { throw Failure("no second connection") }
    let transmission = try Transmission(NBD.negotiate(request, over: stream), over: stream)
    defer { transmission.disconnect() }
    var beginning: [UInt8] = []
    let size = transmission.terms.export.sizeBytes
    try transmission.read(offset: 0, length: min(size, most)) { piece in
      switch piece.content {
      case .data(let bytes): beginning += bytes
      case .hole(let length): beginning += [UInt8](repeating: 0, count: Int(length))
      }
      return true
    }
    return beginning.isEmpty ? nil : try describe(beginning)
  }

  private static func describe(_ bytes: [UInt8]) throws -> String? {
    // None of it is written to a disk.
    let file = Descriptor(
      owning: try check("memfd_create") { unsafe memfd_create("export", UInt32(MFD_CLOEXEC)) })
    let count = unsafe bytes.withUnsafeBytes {
      unsafe write(file.number, $0.baseAddress, $0.count)
    }
    guard count == bytes.count else { throw SystemError("write", errno) }
    let path = "/proc/\(getpid())/fd/\(file.number)"
    do throws(ChildProcess.Failure) {
      let result = try ChildProcess.run(["file", "-bL", path], within: .seconds(10))
      guard result.status == 0, let line = result.output.split(separator: "\n").first else {
        return nil
      }
      return shown(String(line))
    } catch {
      if case .notRun(let cause) = error, cause.errno == ENOENT { return nil }
      throw error
    }
  }
}
