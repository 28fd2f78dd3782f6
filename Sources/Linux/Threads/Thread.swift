// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// POSIX threads, each for one call that blocks.
package enum Thread {
  /// Starts a thread that runs `body` and ends.
  ///
  /// All signals are blocked in it: a signal would end a wait in NBD_DO_IT and with it the
  /// device. Only the first 15 bytes of the name are visible in /proc. EAGAIN: there are too many threads. The
  /// corresponding C function is `pthread_create`.
  package static func start(
    _ name: String, _ body: @escaping @Sendable () -> Void
  ) throws(SystemError) {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    unsafe pthread_attr_setstacksize(&attributes, stackSize)
    var signals = sigset_t()
    unsafe sigfillset(&signals)
    unsafe pthread_attr_setsigmask_np(&attributes, &signals)

    let task = unsafe Unmanaged.passRetained(Task(name: name, body: body))
    var thread = pthread_t()
    let result = unsafe pthread_create(&thread, &attributes, threadMain, task.toOpaque())
    guard result == 0 else {
      unsafe task.release()
      throw SystemError("pthread_create", result)
    }
  }

  /// The kernel's id of the calling thread, as in /proc/PID/task.
  ///
  /// The corresponding C function is `gettid`.
  package static var currentID: Int {
    Int(gettid())
  }

  /// Names the calling thread; of the first thread of a process, that is the name of the process in /proc/PID/comm.
  ///
  /// The corresponding C function is `pthread_setname_np`.
  package static func setName(_ name: String) {
    unsafe pthread_setname_np(pthread_self(), String(decoding: name.utf8.prefix(15), as: UTF8.self))
  }

  /// Blocks for a time.
  ///
  /// The corresponding C function is `usleep`.
  package static func pause(_ time: Duration) { usleep(UInt32(clamping: time.milliseconds * 1000)) }

  // Address resolution may load a name service module; the rest needs a few pages.
  private static let stackSize = 256 * 1024

  fileprivate final class Task {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}

private func threadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument = unsafe argument else { return nil }
  let task = unsafe Unmanaged<Thread.Task>.fromOpaque(argument).takeRetainedValue()
  let visible = Array(task.name.utf8.prefix(15)).map(CChar.init(bitPattern:)) + [0]
  unsafe pthread_setname_np(pthread_self(), visible)
  task.body()
  return nil
}
