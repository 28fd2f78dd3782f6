// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Dispatch
internal import Linux

/// The event loop: every source is on the main queue and active from the start.
///
/// A source on another queue would run a main-actor closure in the wrong place, and one that was
/// never activated cannot be released: both end the process.
enum Loop {
  /// A one-shot timer; it ends when cancelled or released.
  final class Timer {
    private let source: any DispatchSourceTimer

    fileprivate init(_ source: any DispatchSourceTimer) {
      self.source = source
    }

    isolated deinit {
      source.cancel()
    }
  }

  /// Runs `body` once after a while, as long as the timer is kept.
  static func timer(after time: Duration, _ body: @escaping () -> Void) -> Timer {
    let source = DispatchSource.makeTimerSource(queue: .main)
    source.schedule(deadline: .now() + time.interval)
    let timer = Timer(source)
    // Its deinit may run only after what is in the queue already, and that may be this very event.
    source.setEventHandler { [weak timer] in
      if timer != nil { body() }
    }
    source.activate()
    return timer
  }

  /// Runs `body` repeatedly, for the life of the process.
  static func repeatTimer(every time: Duration, _ body: @escaping () -> Void) {
    let source = DispatchSource.makeTimerSource(queue: .main)
    source.schedule(deadline: .now() + time.interval, repeating: time.interval)
    source.setEventHandler(handler: body)
    source.activate()
    permanent.append(source)
  }

  /// Runs `body` each time a signal arrives, for the life of the process.
  static func onSignal(_ signal: Int32, _ body: @escaping () -> Void) {
    let source = DispatchSource.makeSignalSource(signal: signal, queue: .main)
    source.setEventHandler(handler: body)
    source.activate()
    permanent.append(source)
  }

  /// Runs `body` whenever there is something to read; the descriptor lives as long as the source.
  static func onReadable(
    _ descriptor: Descriptor, _ body: @escaping () -> Void
  ) -> any DispatchSourceRead {
    let source = DispatchSource.makeReadSource(fileDescriptor: descriptor.number, queue: .main)
    source.setEventHandler(handler: body)
    source.setCancelHandler { withExtendedLifetime(descriptor) {} }
    source.activate()
    return source
  }

  /// Runs `body` whenever something can be written; the descriptor lives as long as the source.
  static func onWritable(
    _ descriptor: Descriptor, _ body: @escaping () -> Void
  ) -> any DispatchSourceWrite {
    let source = DispatchSource.makeWriteSource(fileDescriptor: descriptor.number, queue: .main)
    source.setEventHandler(handler: body)
    source.setCancelHandler { withExtendedLifetime(descriptor) {} }
    source.activate()
    return source
  }

  private static var permanent: [any DispatchSourceProtocol] = []
}

extension Duration {
  nonisolated fileprivate var interval: DispatchTimeInterval {
    .milliseconds(Int(clamping: max(0, min(milliseconds, 1 << 50))))
  }
}
