// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// The flags' bits and names.
struct FlagsTests {
  // Rows: N-079
  @Test func `names transmission flags in the order of their bits`() {
    let names = [
      "readOnly", "sendFlush", "sendFUA", "rotational", "sendTrim", "sendWriteZeroes", "sendDF",
      "canMultiConn", "sendResize", "sendCache", "sendFastZero", "blockStatusPayload",
    ]
    #expect(TransmissionFlags(rawValue: 0xffff).names == names)
    for (bit, name) in names.enumerated() {
      #expect(TransmissionFlags(rawValue: 2 << bit).names == [name])
    }
    #expect(TransmissionFlags.hasFlags.names == [])
    #expect(TransmissionFlags.hasFlags.rawValue == 1)
  }
}
