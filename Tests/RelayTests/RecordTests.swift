// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux
internal import NBD
internal import Relay
internal import Testing
internal import TestSupport

/// A relay's thread can end anywhere, and its successor continues: each request is answered once, and each byte is
/// right.
@Suite(.serialized, .needsManyFiles) struct RecordTests {
  /// Carries out a load while relays end as planned; returns how many stores and calls the last one had, and whether one
  /// of them had data of its predecessor to put in place.
  @discardableResult
  private func run(
    _ hardship: Succession.Hardship, endingAfter plan: [Int] = [],
    ignoring evidence: Set<DeviceRelay.Evidence> = [], within time: Duration = patience
  ) throws -> (count: Int, copied: Bool) {
    let succession = try Succession(hardship, endingAfter: plan, ignoring: evidence)
    let load = Load(
      [succession.kernel], seed: 7, diskByteCount: 128 << 10, largest: 4, depth: 5)
    defer { succession.stop() }
    try load.run(count: 28, within: time) { try succession.attend() }
    try load.finish(within: time) { try succession.attend() }
    if !succession.failures.isEmpty {
      throw Wrong(succession.failures.joined(separator: "; "))
    }
    return (try succession.finish(), succession.hadDataToCopy)
  }

  @Test(
    "continues after an end at any store and any system call",
    arguments: Succession.Hardship.allCases)
  func everywhere(hardship: Succession.Hardship) throws {
    let count = try run(hardship).count
    #expect(count > 300)
    var copyCount = 0
    for point in 1...count {
      #expect(throws: Never.self, "at \(point) of \(count)") {
        // What a successor does to the data has to be right as well if that one ends in it.
        guard try run(hardship, endingAfter: [point]).copied else { return }
        copyCount += 1
        guard copyCount % 5 == 1 else { return }
        for next in 1...12 { try run(hardship, endingAfter: [point, next]) }
      }
    }
    #expect(copyCount > 5)
  }

  @Test("continues after a second and a third end, in the recovery from the first")
  func again() throws {
    let count = try run(.pieces).count
    for point in stride(from: 1, through: count, by: 41) {
      for next in stride(from: 1, through: 60, by: 9) {
        #expect(throws: Never.self, "at \(point), then \(next)") {
          try run(.pieces, endingAfter: [point, next, next / 2 + 1])
        }
      }
    }
  }

  @Test("does not continue correctly if it knows neither notes nor counters")
  func ignoringCounts() throws {
    let count = try run(.none).count
    let isFound = (1...count).contains { point in
      let result = try? run(
        .none, endingAfter: [point], ignoring: [.note, .counter], within: .seconds(1))
      return result == nil
    }
    #expect(isFound)
  }
}

extension Trait where Self == ConditionTrait {
  /// Threads that end without a return leave their descriptors open.
  fileprivate static var needsManyFiles: Self {
    .enabled("needs a hard limit of 16384 open files") {
      var limit = rlimit()
      let resource = __rlimit_resource(RLIMIT_NOFILE.rawValue)
      unsafe getrlimit(resource, &limit)
      limit.rlim_cur = limit.rlim_max
      unsafe setrlimit(resource, &limit)
      return limit.rlim_max >= 16384
    }
  }
}
