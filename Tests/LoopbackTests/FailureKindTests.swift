// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux
internal import NBD
internal import Testing
internal import Transport

/// What an error number means for programs, whichever layers it has passed.
@Suite struct FailureKindTests {
  @Test(
    arguments: [
      (ECONNRESET, FailureKind.unreachable), (EHOSTUNREACH, .unreachable), (ETIMEDOUT, .timedOut),
      (EACCES, .refused), (EPERM, .refused),
    ])
  func `is read from the number`(_ number: CInt, _ kind: FailureKind) {
    let error = SystemError("recv", number)
    let stream = StreamError.failed(error)
    let negotiation = NegotiationError(
      step: .greeting, reason: .receiving(stream, awaiting: "the first magic"))
    #expect(FailureKind(negotiation) == kind)
    #expect(negotiation.description.contains("recv: \(error.reason), while waiting for"))
    #expect(FailureKind(TransmissionError.Reason.sending(stream)) == kind)
    #expect(FailureKind(ConnectError.unreachable("127.0.0.1:10809", .system(error))) == kind)
  }
}
