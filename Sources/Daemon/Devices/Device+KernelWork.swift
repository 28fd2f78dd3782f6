// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Dispatch
internal import Linux
internal import NBD

/// The actions of a device that may block: each runs on a thread of its own and ends with an event.
extension Device {
  func settle() {
    guard let attachment else { return later { self.handle(.settled(nil)) } }
    let readAhead = configuration.settings.readAhead
    run {
      do throws(Failure) {
        let settled = try KernelWork.settle(attachment, readAhead: readAhead)
        DispatchQueue.main.async {
          self.record(.settled(settled))
          self.handle(.settled(nil))
        }
      } catch {
        DispatchQueue.main.async { self.handle(.settled(error)) }
      }
    }
  }

  func mount() {
    guard let mount = configuration.mount, let index else {
      return later { self.handle(.mounted(nil)) }
    }
    let isReadOnly = attachment?.geometry.isReadOnly ?? configuration.readOnly
    run {
      do throws(Failure) {
        let path = try Mounting.mount(mount, index, readOnly: isReadOnly)
        DispatchQueue.main.async {
          self.record(.mounted(at: path))
          self.handle(.mounted(nil))
        }
      } catch {
        DispatchQueue.main.async { self.handle(.mounted(error)) }
      }
    }
  }

  func unmount(lazily: Bool) {
    guard let path = mountPoint ?? configuration.mount?.path, let index else {
      return later { self.handle(.unmounted(nil)) }
    }
    if lazily { record(.noted("\(path) was in use and was unmounted all the same")) }
    run {
      var failure: Failure?
      do throws(Failure) {
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
    let hasNoWrites = attachment?.geometry.isReadOnly ?? false || connections?.isAbandoned ?? false
    run {
      do throws(Failure) {
        let claim = try KernelWork.quiesce(index, readOnly: hasNoWrites, force: force)
        DispatchQueue.main.async {
          self.record(.claimed(claim))
          self.handle(.quiesced(nil))
        }
      } catch {
        DispatchQueue.main.async { self.handle(.quiesced(error)) }
      }
    }
  }

  func disconnect() {
    guard let device = attachment?.device else { return }
    let isClaimed = claim != nil
    // The thread that serves the device reports the end; a failure here has no other consequence.
    run {
      if isClaimed { try? device.empty() }
      try? device.disconnect()
    }
  }

  func clear() {
    guard let device = attachment?.device else { return }
    run { device.clear() }
  }

  func release(patiently: Bool) {
    record(.claimed(nil))
    guard let index else { return later { self.handle(.released(holders: [])) } }
    run {
      let holders = KernelWork.release(index, patiently: patiently)
      DispatchQueue.main.async {
        for holder in holders {
          self.record(.noted("\(DeviceNode.path(index)) is still \(holder)"))
        }
        self.handle(.released(holders: holders))
      }
    }
  }

  // MARK: threads

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

extension DeviceGeometry {
  nonisolated var isReadOnly: Bool {
    TransmissionFlags(rawValue: flags).contains(.readOnly)
  }
}
