// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Glibc
internal import Keeper
internal import Linux

/// A device that the keeper has, and the thread that serves it.
final class Device {
  /// More connections to a server than a device can have at a time, with those that are being closed.
  private static let mostServers = 64

  private(set) var kept: KeptDevice
  private var thread: ParkedThread?
  private var isEndReported = false
  /// When it is to be ended, in microseconds of the monotonic clock.
  private(set) var endAt: Int64?

  init(_ kept: KeptDevice) { self.kept = kept }

  var name: String { kept.name }
  var isServed: Bool { thread.map { $0.result == nil } ?? false }
  /// How it has ended; nil if it has not, or was never served.
  var result: CInt? { thread.flatMap(\.result) }

  /// Serves it; returns the id of the thread.
  ///
  /// EEXIST: it is served already.
  func park(_ wakeup: Wakeup) throws(SystemError) -> Int {
    guard thread == nil else { throw SystemError("park", EEXIST) }
    let thread = try ParkedThread(name, kept.node, wakeup)
    self.thread = thread
    kept.thread = thread.id
    return thread.id
  }

  /// How it has ended, once.
  func takeEnd() -> CInt? {
    guard !isEndReported, let result else { return nil }
    isEndReported = true
    endAt = nil
    return result
  }

  func replaceRecord(_ record: Descriptor) { kept.record = record }

  func keep(_ socket: Descriptor, _ number: Int) {
    release(number)
    if kept.servers.count < Self.mostServers { kept.servers.append((number, socket)) }
  }

  func release(_ number: Int) { kept.servers.removeAll { $0.number == number } }

  func end(after milliseconds: Int64) {
    endAt = Clocks.monotonic + min(milliseconds, 1 << 40) * 1000
  }

  /// Ends the device if its time has come: the kernel finds its sockets closed, and fails what is in flight.
  func endIfDue(at now: Int64) {
    guard let endAt, endAt <= now else { return }
    self.endAt = nil
    for pair in kept.sockets { pair.ours.shutDown() }
  }
}
