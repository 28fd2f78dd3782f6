// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Dispatch
internal import Glibc
internal import Linux
internal import Synchronization

/// Items on their way to a reader that may be slow or stuck: a thread of its own writes them and may
/// block for ever, so that nothing else does.
///
/// The log's disk may be the very device that waits for nbdd.
nonisolated final class Outbox<Item: Sendable>: Sendable {
  private struct State {
    var items: [Item] = []
    var dropped = 0
    var isWriting = false
    var hasThread = false
  }

  private let name: String
  private let limit: Int
  private let write: @Sendable (Item) -> Void
  private let note: @Sendable (Int) -> Item?
  private let state = Mutex(State())
  private let wakeup = DispatchSemaphore(value: 0)

  /// Creates an empty outbox; its thread starts with the first item.
  ///
  /// - Parameters:
  ///   - name: The name of the thread.
  ///   - limit: How many items may wait besides those that the thread is writing; further items are
  ///     dropped.
  ///   - note: An item that says how many were dropped.
  ///   - write: Called on the thread.
  init(
    _ name: String, limit: Int, note: @escaping @Sendable (Int) -> Item? = { _ in nil },
    write: @escaping @Sendable (Item) -> Void
  ) {
    self.name = name
    self.limit = limit
    self.note = note
    self.write = write
  }

  /// Adds an item, and drops those before it that it makes pointless; never blocks.
  func append(_ item: Item, replacing isPointless: (Item) -> Bool = { _ in false }) {
    let needsThread = state.withLock { state in
      state.items.removeAll(where: isPointless)
      if state.items.count < limit { state.items.append(item) } else { state.dropped += 1 }
      defer { state.hasThread = true }
      return !state.hasThread
    }
    wakeup.signal()
    guard needsThread, (try? Thread.start(name, { self.run() })) == nil else { return }
    // The next item tries again.
    state.withLock { $0.hasThread = false }
  }

  /// Waits until everything has been written, but not beyond the deadline.
  func drain(until deadline: ContinuousClock.Instant) {
    while !isEmpty, ContinuousClock.now < deadline { usleep(2000) }
  }

  private var isEmpty: Bool {
    state.withLock { $0.items.isEmpty && $0.dropped == 0 && !$0.isWriting }
  }

  private func run() {
    while true {
      wakeup.wait()
      for item in take() { write(item) }
      state.withLock { $0.isWriting = false }
    }
  }

  private func take() -> [Item] {
    state.withLock { state in
      let lost = state.dropped == 0 ? nil : note(state.dropped)
      defer { (state.items, state.dropped, state.isWriting) = ([], 0, true) }
      return state.items + (lost.map { [$0] } ?? [])
    }
  }
}
