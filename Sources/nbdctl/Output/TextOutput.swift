// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Writes text to standard output; a failed write throws, also if the pipe no longer has a reader.
func put(_ text: String) throws(Failure) {
  try OutputFile(nil).write(Array(text.utf8)[...])
}

/// Writes text to standard output in large pieces, or immediately if that is a terminal.
struct TextOutput {
  private let sink: OutputFile
  private let most = Terminal.isTerminal ? 0 : 65536
  private var text = ""
  /// Why no more can be written.
  private(set) var failure: Failure?

  init() throws(Failure) {
    sink = try OutputFile(nil)
  }

  mutating func append(_ more: String) {
    text += more
    if text.utf8.count > most { flush() }
  }

  /// Writes what is left.
  mutating func finish() throws(Failure) {
    flush()
    if let failure { throw failure }
  }

  private mutating func flush() {
    defer { text = "" }
    guard failure == nil, !text.isEmpty else { return }
    do throws(Failure) {
      try sink.write(Array(text.utf8)[...])
    } catch {
      failure = error
    }
  }
}
