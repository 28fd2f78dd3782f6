// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What each block may contain, going by what the kernel was told.
///
/// No two changes of a block are in flight at a time, so all changes of a block have an order.
final class Expectation {
  /// What a block may contain from some moment on: one of these words, or what a later change leaves.
  struct State {
    /// How many changes of the block had ended.
    var ended = 0
    var words: [UInt64] = [Content.zero]
  }

  private struct Block {
    /// What each change leaves, in order.
    var changes: [UInt64] = []
    /// What the ended changes leave.
    var settled = State()
    /// What the server's stable storage may contain, going by what was promised.
    var durable = State()
    var isChanging = false
    /// What the server's stable storage contains.
    var stable = Content.zero
  }

  private var blocks: [Block]

  init(blockCount: Int) {
    blocks = Array(repeating: Block(), count: blockCount)
  }

  var blockCount: Int { blocks.count }

  func isChanging(_ range: Range<Int>) -> Bool { range.contains { blocks[$0].isChanging } }

  /// What reads may find that are asked for now, or what is promised by a flush that is.
  func states(_ range: Range<Int>) -> [State] { range.map { blocks[$0].settled } }

  // MARK: changes

  /// A change is asked for; answers what it leaves in each block.
  func begin(_ range: Range<Int>, isWrite: Bool) -> [UInt64] {
    range.map { block in
      let word =
        isWrite ? Content.word(block, blocks[block].changes.count + 1) : Content.zero
      blocks[block].changes.append(word)
      blocks[block].isChanging = true
      return word
    }
  }

  /// A change has been answered; one that is not certain may have been done or not.
  func end(_ range: Range<Int>, isCertain: Bool) {
    for block in range {
      let word = blocks[block].changes.last ?? Content.zero
      var words = isCertain ? [] : blocks[block].settled.words
      if !words.contains(word) { words.append(word) }
      blocks[block].settled = State(ended: blocks[block].changes.count, words: words)
      blocks[block].isChanging = false
    }
  }

  // MARK: checks

  /// A read has found a word where it was asked for in a state.
  func checkRead(_ word: UInt64, _ block: Int, since state: State) throws(Violation) {
    guard isAllowed(word, block, since: state) else {
      throw Violation(
        "a read of block \(block) finds \(Content.name(word)) instead of \(words(block, state))")
    }
  }

  /// What these blocks had in these states is promised to be durable.
  func promise(_ range: Range<Int>, _ states: [State], by who: String) throws(Violation) {
    for (block, state) in zip(range, states) where state.ended > blocks[block].durable.ended {
      blocks[block].durable = state
      try checkStable(block, "when \(who) is answered")
    }
  }

  /// The server has brought a word to stable storage.
  func stored(_ word: UInt64, _ block: Int) throws(Violation) {
    blocks[block].stable = word
    try checkStable(block, "after it was promised")
  }

  private func checkStable(_ block: Int, _ moment: String) throws(Violation) {
    let (word, state) = (blocks[block].stable, blocks[block].durable)
    guard isAllowed(word, block, since: state) else {
      throw Violation(
        "stable storage has \(Content.name(word)) in block \(block) instead of "
          + "\(words(block, state)) \(moment)")
    }
  }

  private func isAllowed(_ word: UInt64, _ block: Int, since state: State) -> Bool {
    state.words.contains(word) || blocks[block].changes[state.ended...].contains(word)
  }

  private func words(_ block: Int, _ state: State) -> String {
    let later = blocks[block].changes[state.ended...]
    return (state.words + later).map(Content.name).joined(separator: " or ")
  }
}
