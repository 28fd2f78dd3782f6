// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Dispatch
internal import Linux

/// All devices, and the configuration they come from.
final class Manager {
  private let directory: String
  /// Where nbdd-keeper listens; nil: devices are not kept.
  let keeperPath: String?
  var keeper: KeeperLink?
  var shownKeeperFailure: SystemError?
  var devices: [String: Device] = [:]
  /// The configuration that was applied last.
  private(set) var configuration = Configuration()
  /// The stop that is under way.
  private var stopping: Stop?
  private var leaving: Leave?
  private(set) var shutdown: Shutdown?
  /// Called after a change of a device, or with nil and its name after it is gone.
  var onChange: (Device?, String) -> Void = { _, _ in }
  private lazy var announcements = Announcements(
    announce: { [unowned self] in onChange(devices[$0], $0) },
    summarize: { [unowned self] in publish() })

  init(directory: String, keeperPath: String?) {
    (self.directory, self.keeperPath) = (directory, keeperPath)
  }

  /// How long a stop may wait for users of devices.
  var stopTimeout: Duration { configuration.stopTimeout }
  /// How long a server may be silent while the machine shuts down.
  var shutdownTimeout: Duration { configuration.shutdownTimeout }
  /// What nbdd.json has under "defaults".
  var defaults: DeviceConfiguration.Settings { configuration.defaults }

  /// Devices by name.
  var sorted: [Device] { devices.values.sorted { $0.name < $1.name } }

  /// Returns the device with a name.
  ///
  /// Text that cannot be a name is not looked up: comparing hostile Unicode can take quadratic time.
  func device(named name: String) -> Device? {
    DeviceConfiguration.isName(name) ? devices[name] : nil
  }

  /// The device that has /dev/nbdN.
  func device(at index: Int) -> Device? { devices.values.first { $0.index == index } }

  // MARK: configuration

  /// Reads the configuration and attaches its devices.
  ///
  /// Faults are logged and affect only their own files.
  func start() {
    let configuration = Configuration.read(directory)
    self.configuration = configuration
    for problem in configuration.problems { Journal.error("\(problem); ignoring this file") }
    adoptAll()
    DeviceLink.withdrawAbandoned()
    for (name, declaration) in configuration.devices where devices[name] == nil {
      devices[name] = Device(declaration.configuration, file: declaration.file, manager: self)
    }
    publish()
    loadDriver()
    declareMounts()
  }

  /// Lets systemd know the mounts of the configuration, if its generator reads that.
  private func declareMounts() {
    guard directory == Configuration.defaultDirectory else { return }
    let configuration = configuration
    try? Thread.start("mounts") { SystemdMounts.refresh(configuration) }
  }

  /// Reads the configuration again; if there is any fault, nothing changes.
  ///
  /// Nothing is detached: what an attached device cannot apply waits for its next attach. The
  /// result is logged and reported to the service manager.
  func reload(askedForBy caller: String) throws(ConfigurationFaults) -> ReloadResult {
    Journal.notice("reload asked for by \(caller)")
    ServiceManager.reloading()
    defer { ServiceManager.ready() }
    do throws(ConfigurationFaults) {
      let result = try reload()
      Journal.notice(
        "reloaded: \(result.added.count) added, \(result.changed.count) changed, "
          + "\(result.removed.count) removed; \(result.deferred.count) of them deferred")
      return result
    } catch {
      for problem in error.problems { Journal.error("\(problem); nothing was changed") }
      throw error
    }
  }

  private func reload() throws(ConfigurationFaults) -> ReloadResult {
    let configuration = Configuration.read(directory)
    let faults = configuration.problems + conflicts(configuration)
    guard faults.isEmpty else { throw ConfigurationFaults(problems: faults) }
    self.configuration = configuration
    var result = ReloadResult()
    for (name, declaration) in configuration.devices.sorted(by: { $0.key < $1.key }) {
      guard let device = devices[name] else {
        add(declaration, to: &result)
        continue
      }
      let isNew =
        device.nextConfiguration ?? device.configuration != declaration.configuration
        || device.isOrphan
      device.file = declaration.file
      device.isOrphan = false
      guard isNew else { continue }
      device.change(declaration.configuration)
      result.changed.append(name)
      if device.lifecycle.phase == .waiting {
        // This may fix the failure, so do not wait.
        device.attach()
      } else if device.nextConfiguration != nil {
        result.deferred.append(name)
      }
    }
    for device in sorted where device.file != nil && configuration.devices[device.name] == nil {
      device.isOrphan = true
      result.removed.append(device.name)
      if device.state == .detached {
        forget(device)
      } else if device.lifecycle.phase == .waiting {
        device.detach(force: false)
      } else {
        result.deferred.append(device.name)
      }
    }
    publish()
    declareMounts()
    return result
  }

  private func add(_ declaration: Configuration.Declaration, to result: inout ReloadResult) {
    let device = Device(declaration.configuration, file: declaration.file, manager: self)
    devices[device.name] = device
    result.added.append(device.name)
    changed(device)
    if device.configuration.autoAttach { device.attach() }
  }

  /// Loads the driver if it is not loaded; then attaches.
  private func loadDriver() {
    guard Sysfs.devices().isEmpty else { return attachAll() }
    do throws(SystemError) {
      try Thread.start("modprobe") {
        let result = try? ChildProcess.run(["modprobe", "nbd"], within: .seconds(20))
        DispatchQueue.main.async {
          if result?.status != 0 {
            let lines = result?.output.split(whereSeparator: \.isNewline)
            let reason = lines?.joined(separator: "; ") ?? "it did not run"
            Journal.error("the kernel has no nbd driver, and modprobe nbd failed: \(reason)")
          } else if Sysfs.devices().isEmpty {
            Journal.error(KernelDriver.hint)
          }
          self.attachAll()
        }
      }
    } catch {
      attachAll()
    }
  }

  private func attachAll() {
    for device in sorted
    where device.configuration.autoAttach && device.lifecycle.phase == .detached {
      device.attach()
    }
  }

  // MARK: devices

  /// Adds a device that is not in the configuration.
  func add(_ configuration: DeviceConfiguration) -> Device {
    let device = Device(configuration, file: nil, manager: self)
    devices[device.name] = device
    changed(device)
    return device
  }

  /// Forgets a device that is detached.
  func forget(_ device: Device) {
    guard devices[device.name] === device else { return }
    devices[device.name] = nil
    announcements.changed(device.name, nil)
  }

  /// The kernel device for a device: the requested one, or any free one.
  func reserve(for device: Device, avoiding avoided: Set<Int>) throws(Failure) -> Int {
    if let index = device.configuration.device {
      if let owner = self.device(at: index), owner !== device {
        var failure = Failure(.kernel, "\(DeviceNode.path(index)) is used by device \(owner.name)")
        failure.isInUse = true
        throw failure
      }
      return index
    }
    // After an outage users expect it where it was.
    if let index = device.index, !avoided.contains(index) { return index }
    let all = Sysfs.devices()
    guard !all.isEmpty else { throw Failure(.kernel, KernelDriver.hint) }
    let asked = Set(devices.values.compactMap { $0.configuration.device })
    let used = Set(devices.values.compactMap(\.index)).union(asked).union(avoided)
    guard let free = all.first(where: { !used.contains($0) && Sysfs.isFree($0) }) else {
      throw Failure(.kernel, "all /dev/nbdN are in use; \(KernelDriver.hint)")
    }
    return free
  }

  var isStopping: Bool { stopping != nil }

  /// From now on, does not wait without limit for silent servers.
  func prepareShutdown(askedForBy caller: String) {
    guard shutdown == nil else { return }
    Journal.notice("the machine shuts down, says \(caller)")
    let shutdown = Shutdown(self)
    self.shutdown = shutdown
    shutdown.begin()
  }

  /// Detaches everything and ends the process; if called a second time, by force.
  func stop() {
    if let stopping { return stopping.force() }
    let stop = Stop(self)
    stopping = stop
    stop.begin()
  }

  /// Leaves kept devices to the next nbdd, detaches the rest, and ends the process.
  func leave() {
    guard stopping == nil, leaving == nil else { return }
    let leave = Leave(self)
    leaving = leave
    leave.begin()
  }

  /// A device was left to the next nbdd, or has ended instead.
  func left(_ device: Device) { leaving?.proceed(device.name) }

  /// A device's state, or anything else that is reported, has changed.
  func changed(_ device: Device) {
    guard devices[device.name] === device else { return }
    announcements.changed(device.name, device.state)
    // A device that is not, or no longer, configured ends with its attachment.
    if device.lifecycle.phase == .detached && device.isOrphan { forget(device) }
    if device.isIdle { left(device) }
    if device.configuration.mount != nil, stopping == nil {
      for other in devices.values where other.awaitsOuter { other.mountAfterOuter() }
    }
    stopping?.proceed()
  }

  /// No device is in the kernel, or will be.
  var isIdle: Bool { devices.values.allSatisfy(\.isIdle) }

  private func publish() {
    let entries = sorted.map {
      StatusLine.Entry(name: $0.name, state: $0.state, trouble: $0.report.trouble)
    }
    ServiceManager.status(StatusLine.text(entries, problems: configuration.problems.count))
  }
}
