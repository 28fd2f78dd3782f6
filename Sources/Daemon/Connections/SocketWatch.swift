// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Dispatch
internal import Linux

/// Calls back when a file with a given name appears in its directory, for as long as the watch is
/// kept.
final class SocketWatch {
  private var source: (any DispatchSourceRead)?

  /// Nil if the directory cannot be watched; then the pauses between attempts must suffice.
  init?(_ path: [UInt8], _ body: @escaping () -> Void) {
    guard let watch = try? FileWatch(path) else { return nil }
    source = Loop.onReadable(watch.descriptor) {
      if watch.hasAppeared() { body() }
    }
  }

  isolated deinit {
    source?.cancel()
  }
}
