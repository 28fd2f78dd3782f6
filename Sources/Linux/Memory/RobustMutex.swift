// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// A lock in shared memory that is held by a thread, and is free once that thread has ended, however it ends.
///
/// A file lock is held until the last thread of a process is gone, and one that waits for a device cannot go.
/// The corresponding C functions are those of `pthread_mutex_t` with `PTHREAD_MUTEX_ROBUST`.
package struct RobustMutex {
  package static let byteCount = unsafe MemoryLayout<pthread_mutex_t>.size
  private let region: Region
  private let place: Int

  package init(in region: Region, at place: Int) {
    (self.region, self.place) = (region, place)
  }

  private var mutex: UnsafeMutablePointer<pthread_mutex_t> {
    unsafe region.pointer(place, Self.byteCount).assumingMemoryBound(to: pthread_mutex_t.self)
  }

  /// Makes it usable, and free.
  package func initialize() {
    var attributes = pthread_mutexattr_t()
    unsafe pthread_mutexattr_init(&attributes)
    unsafe pthread_mutexattr_setpshared(&attributes, CInt(PTHREAD_PROCESS_SHARED))
    unsafe pthread_mutexattr_setrobust(&attributes, CInt(PTHREAD_MUTEX_ROBUST))
    unsafe pthread_mutex_init(mutex, &attributes)
    unsafe pthread_mutexattr_destroy(&attributes)
  }

  /// Lets the calling thread hold it; returns false if another thread does, which has not ended.
  ///
  /// Does not block. The corresponding C functions are `pthread_mutex_trylock` and `pthread_mutex_consistent`.
  package func tryLock() -> Bool {
    switch unsafe pthread_mutex_trylock(mutex) {
    case 0: return true
    case EOWNERDEAD:
      unsafe pthread_mutex_consistent(mutex)
      return true
    default: return false
    }
  }

  /// Frees it; only for the thread that holds it.
  package func unlock() { unsafe pthread_mutex_unlock(mutex) }
}
