// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import BlockDevice
import NBD
import Testing

@testable import Daemon

/// What may change during an outage, and what must not.
nonisolated struct ExportCheckTests {
  private static let flags: TransmissionFlags = [
    .hasFlags, .sendFlush, .sendFUA, .sendTrim, .canMultiConn,
  ]

  private func flaw(
    _ size: UInt64 = 1 << 20, _ flags: TransmissionFlags = ExportCheckTests.flags,
    _ sizes: BlockSizes? = nil, isFirst: Bool = true
  ) -> String? {
    let geometry = DeviceGeometry(
      blockSize: 1024, blockCount: 1024, flags: Self.flags.rawValue, requestTimeoutSeconds: 0)
    let export = Export(name: "", sizeBytes: size, flags: flags, blockSizes: sizes)
    let flaw = ExportCheck.flaw(export, geometry, isFirst: isFirst)
    #expect(flaw?.isPersistent != false)
    return flaw?.message
  }

  @Test func `the same, and more, will do`() {
    #expect(flaw() == nil)
    #expect(flaw(2 << 20) == nil)
    #expect(flaw(1 << 20, Self.flags.union([.sendWriteZeroes, .sendCache])) == nil)
    let sizes = BlockSizes(minimum: 512, preferred: 4096, maximumPayload: 65536)
    #expect(flaw(1 << 20, Self.flags, sizes) == nil)
    // The kernel was not told about this one.
    #expect(flaw(1 << 20, Self.flags.subtracting([.canMultiConn])) == nil)
  }

  @Test func `less is told in words`() {
    #expect(flaw((1 << 20) - 1) == "the export has shrunk from 1048576 to 1048575 bytes")
    #expect(flaw(1 << 20, Self.flags.union([.readOnly])) == "the export has become read-only")
    #expect(
      flaw(1 << 20, Self.flags.subtracting([.sendFlush]))
        == "the server no longer offers flush")
    #expect(
      flaw(1 << 20, Self.flags.subtracting([.sendTrim]))
        == "the server no longer offers trim")
    let coarse = BlockSizes(minimum: 4096, preferred: 4096, maximumPayload: 65536)
    #expect(
      flaw(1 << 20, Self.flags, coarse)
        == "the server's minimum block size has grown from 1024 to 4096")
    let narrow = BlockSizes(minimum: 1, preferred: 512, maximumPayload: 512)
    #expect(
      flaw(1 << 20, Self.flags, narrow) == "the server takes no more than 512 bytes at a time")
  }

  @Test func `a second connection needs the server's word`() {
    #expect(flaw(isFirst: false) == nil)
    #expect(
      flaw(1 << 20, Self.flags.subtracting([.canMultiConn]), isFirst: false)
        == "the server no longer allows several connections")
  }
}
