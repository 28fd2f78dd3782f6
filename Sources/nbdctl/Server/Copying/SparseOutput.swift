// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// Writes bytes to a file, with holes for blocks of zeroes, whether read or reported by the server.
struct SparseOutput {
  /// The granularity: what file systems allocate.
  private static let block = 4096

  let file: OutputFile
  /// Where in its block the file is.
  private var position = 0

  init(_ file: OutputFile) {
    self.file = file
  }

  mutating func write(_ bytes: ArraySlice<UInt8>) throws(Failure) {
    guard file.isDraft else { return try file.write(bytes) }
    // Neighbouring blocks of the same kind are written together.
    var run = bytes.prefix(0)
    var isRunZero = false
    var rest = bytes
    while !rest.isEmpty {
      let part = rest.prefix(Self.block - position)
      rest = rest.dropFirst(part.count)
      position = (position + part.count) % Self.block
      let isZero = Self.isZero(part)
      if isZero != isRunZero {
        try leave(run, isRunZero)
        (run, isRunZero) = (part, isZero)
      } else {
        run = bytes[run.startIndex..<part.endIndex]
      }
    }
    try leave(run, isRunZero)
  }

  mutating func writeZeroes(_ count: UInt64) throws(Failure) {
    position = Int((UInt64(position) + count) % UInt64(Self.block))
    try file.writeZeroes(count)
  }

  private func leave(_ run: ArraySlice<UInt8>, _ isZero: Bool) throws(Failure) {
    if run.isEmpty { return }
    if isZero { try file.writeZeroes(UInt64(run.count)) } else { try file.write(run) }
  }

  private static func isZero(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.first == 0 else { return false }
    return unsafe bytes.withUnsafeBytes { room in
      guard let start = room.baseAddress else { return true }
      // Each byte is the one before, and the first is zero.
      return unsafe memcmp(start, start + 1, room.count - 1) == 0
    }
  }
}
