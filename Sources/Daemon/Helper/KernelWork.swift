// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Glibc
internal import Linux
internal import NBD

/// Work on a kernel device that may block.
///
/// What may wait for the device itself, only helper processes do; `release` waits for others to let go of it.
nonisolated enum KernelWork {
  /// Waits until a device that was handed to the kernel is usable, and sets its queue up.
  ///
  /// Opening the node makes the kernel look for partitions.
  static func settle(
    _ device: any KernelDevice, _ remembered: RememberedDevice, servedBy thread: Int
  ) throws(Failure) -> Settled {
    let index = device.index
    let hasComeUp = poll(within: .seconds(10), pausing: 500...20_000) {
      device.isUp(servedBy: thread)
    }
    guard hasComeUp else {
      throw Failure(.kernel, "\(DeviceNode.path(index)) did not come up within 10 s")
    }
    try waitForReceivers(of: index, remembered.connectionCount)
    var notes: [String] = []
    if remembered.configuration.settings.path == .relay {
      // With several sockets the driver gives up those on which it has waited for long, whatever
      // its timeout (Linux 6.1); but an outage may last for any time.
      try? Sysfs.setQueue("io_timeout", "2147483647", of: index)
    }
    do throws(SystemError) {
      let node = try Descriptor.open(DeviceNode.path(index), O_RDONLY)
      // udevd leaves the device alone while we hold the lock; without it nothing breaks.
      _ = node.tryLock()
      try RequestQueue.setUp(
        device, remembered.export.flags,
        maximumPayload: remembered.export.blockSizes?.maximumPayload,
        isReadOnly: remembered.isReadOnly,
        readAhead: remembered.configuration.settings.readAhead)
      if Sysfs.maximumPartitions == 0, PartitionTable.isOn(node, remembered.blockSize) {
        notes.append(PartitionTable.neglected)
      }
    } catch {
      throw Failure(.kernel, error.description)
    }
    // Only now, because udev waits for the lock.
    DeviceLink.wait(for: DeviceLink.path(remembered.configuration.name))
    return Settled(partitions: Sysfs.partitions(of: index), notes: notes)
  }

  /// Before anything is read from the device: a read could wait for ever.
  private static func waitForReceivers(
    of index: Int, _ socketCount: Int
  ) throws(Failure) {
    guard socketCount > 1 else { return }
    var receivers = Receivers.starting
    _ = poll(within: .seconds(10), pausing: 500...20_000) {
      receivers = Receivers(of: index, socketCount: socketCount)
      return receivers != .starting
    }
    guard receivers == .complete || receivers == .invisible else {
      throw Failure(
        .kernel,
        "the kernel could not start a thread for each of the \(socketCount) connections of "
          + "\(DeviceNode.path(index)) in time, so requests on some of them would never end")
    }
  }

  /// Returns whether something came true in time; sleeps in between for so many microseconds, at first the least.
  private static func poll(
    within time: Duration, pausing pauses: ClosedRange<UInt32>, _ isTrue: () -> Bool
  ) -> Bool {
    let deadline = ContinuousClock.now + time
    var pause = pauses.lowerBound
    while !isTrue() {
      guard ContinuousClock.now < deadline else { return false }
      usleep(pause)
      pause = min(pause * 2, pauses.upperBound)
    }
    return true
  }

  struct Settled: Sendable {
    var partitions: [String] = []
    /// Peculiarities that an admin may want to know.
    var notes: [String] = []
  }

  /// Makes sure that nothing uses a device and that the server has all writes.
  ///
  /// For the parent process. Returns a claim on the device: until it is closed, the device cannot be mounted. By force, it only
  /// tries to flush. A read-only device has no writes, and a server that refuses to flush it (nbdkit in
  /// old style) does not keep it attached.
  static func quiesce(
    _ index: Int, readOnly: Bool, force: Bool
  ) throws(Failure) -> Descriptor? {
    if force {
      // A mount that is in use stays until the device is dead, so its file system still has writes.
      for path in Holders.mountPoints(of: index) {
        try? Descriptor.open(path, O_RDONLY | O_DIRECTORY).synchronizeFileSystem()
      }
      try? Descriptor.open(DeviceNode.path(index), O_RDONLY).synchronize()
      return nil
    }
    let claim = try waitForClaim(index)
    _ = claim.tryLock()
    if readOnly { return claim }
    do throws(SystemError) { try claim.synchronize() } catch {
      throw Failure(
        .detach,
        "the last writes could not be sent to the server: \(error.reason); "
          + "--force would lose them")
    }
    return claim
  }

  // udev opens every device for a moment after each change: that is what the two seconds are for.
  private static func waitForClaim(_ index: Int) throws(Failure) -> Descriptor {
    let deadline = ContinuousClock.now + .seconds(2)
    while true {
      let claim: Descriptor?
      do throws(SystemError) { claim = try Holders.claim(index) } catch {
        throw Failure(.detach, error.description)
      }
      // nbdd has the node open.
      let nbdd = Int(getppid())
      let holders =
        claim == nil
        ? Holders.describe(index, for: nbdd) : Holders.processes(holding: index, for: nbdd)
      if let claim, holders.isEmpty { return claim }
      guard ContinuousClock.now < deadline else {
        let names = holders.isEmpty ? ["held by the kernel"] : holders
        throw Failure(
          .detach, "\(DeviceNode.path(index)) is in use: \(names.joined(separator: ", "))",
          holders: names)
      }
      usleep(50_000)
    }
  }

  /// Returns what keeps the kernel from forgetting a device; empty if it has.
  ///
  /// `patiently`: waits for programs that open it briefly, such as udev.
  static func release(_ index: Int, patiently: Bool) -> [String] {
    let isForgotten = poll(within: patiently ? .seconds(2) : .zero, pausing: 500...50_000) {
      Sysfs.attacher(of: index) == nil
    }
    if isForgotten { return [] }
    let holders = Holders.describe(index)
    return holders.isEmpty ? ["open in a process that cannot be seen"] : holders
  }
}
