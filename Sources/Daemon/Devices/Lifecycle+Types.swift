// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// Types of the device lifecycle.
nonisolated extension Lifecycle {
  typealias State = DeviceState

  enum Event: Sendable, Equatable {
    /// The user or the configuration wants it attached; ends a wait early.
    case attach
    /// The kernel serves it already, for an earlier nbdd, which may have ended before it was usable.
    case adopted(isSettled: Bool)
    case detach(force: Bool)
    /// The thread is about to enter NBD_DO_IT.
    case serving
    /// Size and partitions are known, or why not.
    case settled(Failure?)
    /// The declared mount is mounted (or there is none), or why not.
    case mounted(Failure?)
    /// The thread has ended, before or after the kernel served the device.
    case ended(Failure)
    /// The kernel device turned out to be in use by others; another may be free.
    case inUse
    case unmounted(Failure?)
    /// Nothing holds the device and all writes are at the server, or why not.
    case quiesced(Failure?)
    /// The kernel has forgotten the device, or these hold it.
    case released(holders: [String])
    case timer
  }

  enum Action: Sendable, Equatable {
    case connect, interrupt, settle, mount
    case unmount(lazily: Bool)
    case quiesce(force: Bool)
    case disconnect, shutDown, clear
    /// Find out whether the kernel has forgotten the device; patiently right after it was used.
    case release(patiently: Bool)
    case setTimer(Duration)
    case cancelTimer
    /// An attempt to attach has failed.
    case attemptFailed(Failure)
    /// The detach is refused; the device is as it was.
    case refused(Failure)
  }

  enum Phase: Sendable, Equatable {
    case detached, connecting
    /// Waits for the end of a thread that was connecting when a detach was requested.
    case cancelling
    /// A helper is under way; if the thread has ended meanwhile, the phase ends with its report.
    case settling(hasEnded: Bool = false)
    case mounting(hasEnded: Bool = false)
    case attached
    case unmounting(force: Bool, hasEnded: Bool = false)
    case quiescing(force: Bool, hasEnded: Bool = false)
    /// `leaving` distinguishes a detach from a retry.
    case disconnecting(by: Means, leaving: Bool)
    /// The connection is gone; the kernel device must become free.
    case releasing(leaving: Bool)
    /// Held by others after the connection was lost; the timer ends the wait.
    case held
    /// Before the next attempt.
    case waiting
  }

  /// The means to make the kernel release a device, each used after the one before had no effect.
  enum Means: Int, Sendable {
    /// The server is asked to close the connection.
    case goodbye
    case shutDown, clear
    /// Every means has been tried.
    case exhausted
  }

  /// A detach that was requested while something else must end first.
  enum PendingDetach: Sendable {
    case none, gently, byForce

    /// Adds a request; of several, one by force takes precedence.
    mutating func add(force: Bool) {
      self = force || self == .byForce ? .byForce : .gently
    }
  }
}
