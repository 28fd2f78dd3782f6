// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Dispatch
internal import Linux
internal import NBD

/// The actions of a device that may block: each is waited for by a thread of its own, and ends with an event.
extension Device {
  func settle() {
    guard let attachment, let remembered else { return later { self.handle(.settled(nil)) } }
    help(.settle(remembered, thread: attachment.thread)) { result, failure in
      if case .settled(let settled) = result { self.record(.settled(settled)) }
      self.handle(.settled(failure))
    }
  }

  func mount() {
    guard configuration.mount != nil, let remembered else {
      return later { self.handle(.mounted(nil)) }
    }
    if manager.isStopping {
      return later { self.handle(.mounted(Failure(.mount, "nbdd is being stopped"))) }
    }
    if let outer = unmountedOuter {
      awaitsOuter = true
      return later { self.handle(.mounted(outer.waitingFailure)) }
    }
    awaitsOuter = false
    help(.mount(remembered)) { result, failure in
      if case .mounted(let path) = result { self.record(.mounted(at: path)) }
      self.handle(.mounted(failure))
    }
  }

  func unmount(lazily: Bool) {
    guard let path = mountPoint ?? configuration.mount?.path, let index else {
      return later { self.handle(.unmounted(nil)) }
    }
    if lazily, manager.isStopping {
      // Whoever still writes there is to get errors, not the directory underneath.
      record(.noted("\(path) is in use, and stays mounted without its device"))
      return later { self.handle(.unmounted(nil)) }
    }
    if lazily { record(.noted("\(path) was in use and was unmounted all the same")) }
    let isRefusable = lifecycle.mayRefuse && !manager.isStopping
    run {
      var failure: Failure?
      do throws(Failure) {
        if isRefusable { try Mounting.checkUsers(index, without: path) }
        try Mounting.unmount(path, index, lazily: lazily)
      } catch {
        failure = error
      }
      DispatchQueue.main.async { [failure] in self.handle(.unmounted(failure)) }
    }
  }

  func quiesce(force: Bool) {
    guard let index else { return later { self.handle(.quiesced(nil)) } }
    // An abandoned device has no writes left either.
    let hasNoWrites = remembered?.isReadOnly ?? false || connections?.isAbandoned ?? false
    help(.quiesce(index: index, hasNoWrites: hasNoWrites, force: force)) { result, failure in
      if case .quiesced(let claim) = result { self.record(.claimed(claim)) }
      self.handle(.quiesced(failure))
    }
  }

  func disconnect() {
    guard let attachment else { return }
    DeviceLink.withdraw(attachment.device.index, name)
    // The thread that serves the device reports the end; a failure here has no other consequence.
    help(.disconnect(index: attachment.device.index, isClaimed: claim != nil)) { _, _ in }
  }

  func clear() {
    guard let attachment else { return }
    help(.clear(index: attachment.device.index)) { _, _ in }
  }

  func release(patiently: Bool) {
    record(.claimed(nil))
    guard let index else { return later { self.handle(.released(holders: [])) } }
    DeviceLink.withdraw(index, name)
    run {
      let holders = KernelWork.release(index, patiently: patiently)
      // What it said before, it may have said while udev still saw the device attached.
      DeviceLink.refresh(index)
      DispatchQueue.main.async {
        for holder in holders {
          self.record(.noted("\(DeviceNode.path(index)) is still \(holder)"))
        }
        self.handle(.released(holders: holders))
      }
    }
  }

  // MARK: threads

  /// Has a helper process do a task; `then` gets its result, or the failure.
  private func help(
    _ task: HelperTask, then: @escaping @Sendable @MainActor (HelperResult?, Failure?) -> Void
  ) {
    let (name, node) = (name, attachment?.device.node)
    run {
      do throws(Failure) {
        let result = try Helper.run(task, name, node: node)
        DispatchQueue.main.async { then(result, nil) }
      } catch {
        DispatchQueue.main.async { then(nil, error) }
      }
    }
  }

  func later(_ body: @escaping @Sendable @MainActor () -> Void) {
    DispatchQueue.main.async(execute: body)
  }

  /// Runs `body` on a thread named after the device.
  ///
  /// The lifecycle waits for its event, so if no thread can be started, this is retried until one
  /// can.
  func run(_ body: @escaping @Sendable () -> Void) {
    do throws(SystemError) {
      try Thread.start(name, body)
    } catch {
      Journal.error(
        "\(name): cannot start a thread: \(error); retrying in 1 s", Journal.Fields(device: name))
      DispatchQueue.main.asyncAfter(deadline: .now() + .seconds(1)) { self.run(body) }
    }
  }
}
