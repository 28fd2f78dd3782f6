// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What is said about a failed request.
struct TransmissionErrorTests {
  private static let wanted = Request(.read, offset: 1024, length: 512)
  private static let write = Request(.write, offset: 0, length: 8)

  static let sentences: [(TransmissionError, String)] = [
    (
      TransmissionError(wanted, .violation(.magic(0xdead_beef, .simple))),
      "read of 512 bytes at 1024: the server broke the protocol: it sent deadbeef where a simple"
        + " reply starts"
    ),
    (
      TransmissionError(wanted, .failed(ServerFailure(code: 5, text: "bad", offset: 1030))),
      "read of 512 bytes at 1024: the server returned EIO at 1030; it said: \"bad\""
    ),
    (
      TransmissionError(wanted, .failed(ServerFailure(code: 12345))),
      "read of 512 bytes at 1024: the server returned EINVAL (it sent 12345, which is no"
        + " error's number)"
    ),
    (
      TransmissionError(write, .closed),
      "write of 8 bytes at 0: the server closed the connection; the reply did not come; whether the"
        + " server has done it is unknown"
    ),
    (
      TransmissionError(Request(.flush), .receiving(.timedOut(.seconds(5)), awaiting: "a reply")),
      "flush: waited 5 s for a reply"
    ),
    (
      TransmissionError(write, .notSent(.readOnly)),
      "write of 8 bytes at 0: not sent, the export is read-only"
    ),
    (
      TransmissionError(wanted, .uncovered(3)),
      "read of 512 bytes at 1024: the server reported success, but did not send 3 of the bytes"
    ),
  ]

  // Rows: T-013, T-021, T-028, T-050, T-057, T-099
  @Test(arguments: sentences)
  func `says what came and what was expected`(error: TransmissionError, sentence: String) {
    #expect(error.description == sentence)
  }

  // Rows: T-028
  @Test func `maps numbers by name`() {
    let names = [
      1: "EPERM", 5: "EIO", 12: "ENOMEM", 22: "EINVAL", 28: "ENOSPC", 75: "EOVERFLOW",
      95: "ENOTSUP", 108: "ESHUTDOWN",
    ]
    #expect(ErrorNumber.allCases.count == names.count)
    for number in ErrorNumber.allCases { #expect(names[Int(number.rawValue)] == number.name) }
    for unknown: UInt32 in [0, 2, 107, .max] { #expect(ErrorNumber(wire: unknown) == .invalid) }
  }
}
