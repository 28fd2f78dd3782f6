// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The words in which a life is told: states, phases, events, actions.
nonisolated extension Lifecycle {
  /// The `State` of the control interface.
  enum State: String, Sendable {
    case detached, connecting, attaching, attached, reconnecting, detaching, failed
  }

  enum Event: Sendable, Equatable {
    /// The user or the configuration wants it attached; cuts a wait short.
    case attach
    case detach(force: Bool)
    /// The thread is about to enter NBD_DO_IT.
    case serving
    /// Size and partitions are there, or why not.
    case settled(Failure?)
    /// The declared mount is mounted (or there is none), or why not.
    case mounted(Failure?)
    /// The thread has ended, before or after the kernel served the device.
    case ended(Failure)
    /// The kernel device turned out to be somebody else's; another may be free.
    case taken
    case unmounted(Failure?)
    /// Nobody holds the device and all writes are at the server, or why not.
    case quiesced(Failure?)
    /// The kernel has forgotten the device, or who holds it.
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
    /// Detach was asked for while the thread was connecting; its end is awaited.
    case cancelling
    case settling, mounting, attached
    case unmounting(force: Bool, lazily: Bool)
    case quiescing(force: Bool)
    /// Told goodbye, then shut down, then cleared; `leaving` tells a detach from a retry.
    case disconnecting(step: Int, leaving: Bool)
    /// The connection is gone; the kernel device has to become free.
    case releasing(leaving: Bool)
    /// Held by others after the connection was lost; looked at again at the timer.
    case held
    /// Before the next attempt.
    case waiting
  }
}
