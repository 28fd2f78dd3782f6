// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// What may wait for one of nbdd's own kernel devices, and is therefore done by a helper process.
///
/// A thread that waits for a device cannot be killed, and a process has not ended before its last thread has. When nbdd
/// dies only its successor can serve the device, so nbdd itself must never wait for one.
nonisolated enum HelperTask: Sendable {
  /// Waits until the device is usable, and sets its queue up; `thread` is in NBD_DO_IT.
  case settle(RememberedDevice, thread: Int)
  /// Mounts the device as its configuration declares.
  case mount(RememberedDevice)
  /// Makes sure that nothing uses the device and that the server has all writes.
  case quiesce(index: Int, hasNoWrites: Bool, force: Bool)
  case grow(index: Int, toBlocks: UInt64)
  /// Disconnects the device; one that is claimed is made empty before that.
  case disconnect(index: Int, isClaimed: Bool)
  /// Fails what is in flight.
  case clear(index: Int)
}

nonisolated extension HelperTask {
  /// One word, which the list of processes shows.
  var word: String {
    switch self {
    case .settle: "settle"
    case .mount: "mount"
    case .quiesce: "quiesce"
    case .grow: "grow"
    case .disconnect: "disconnect"
    case .clear: "clear"
    }
  }

  var index: Int {
    switch self {
    case .settle(let device, _), .mount(let device): device.index
    case .quiesce(let index, _, _), .grow(let index, _), .disconnect(let index, _),
      .clear(let index):
      index
    }
  }

  var json: JSON {
    switch self {
    case .settle(let device, let thread):
      ["task": JSON(word), "device": device.json, "thread": JSON(thread)]
    case .mount(let device): ["task": JSON(word), "device": device.json]
    case .quiesce(let index, let hasNoWrites, let force):
      [
        "task": JSON(word), "index": JSON(index), "hasNoWrites": JSON(hasNoWrites),
        "force": JSON(force),
      ]
    case .grow(let index, let count):
      ["task": JSON(word), "index": JSON(index), "blocks": JSON(count)]
    case .disconnect(let index, let isClaimed):
      ["task": JSON(word), "index": JSON(index), "isClaimed": JSON(isClaimed)]
    case .clear(let index): ["task": JSON(word), "index": JSON(index)]
    }
  }

  /// Nil if it is not a task.
  init?(_ json: JSON) {
    let device = json["device"].flatMap { RememberedDevice($0) }
    let index = json["index"]?.integer.map { Int($0) }
    let flag = { (name: String) in json[name]?.bool ?? false }
    switch (json["task"]?.string, device, index) {
    case ("settle", let device?, _):
      self = .settle(device, thread: Int(json["thread"]?.integer ?? 0))
    case ("mount", let device?, _): self = .mount(device)
    case ("quiesce", _, let index?):
      self = .quiesce(index: index, hasNoWrites: flag("hasNoWrites"), force: flag("force"))
    case ("grow", _, let index?):
      self = .grow(index: index, toBlocks: UInt64(clamping: json["blocks"]?.integer ?? 0))
    case ("disconnect", _, let index?):
      self = .disconnect(index: index, isClaimed: flag("isClaimed"))
    case ("clear", _, let index?): self = .clear(index: index)
    default: return nil
    }
  }
}
