// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Prints or writes device files, and collects what went wrong.
struct ImportWriter {
  private let directory: String
  private let save: Bool
  /// The devices so far.
  private(set) var names: Set<String> = []
  private var hasFailed = false

  init(directory: String, save: Bool) {
    self.directory = directory
    self.save = save
  }

  func warn(_ message: String) { Terminal.note(message) }

  mutating func fail(_ message: String) {
    hasFailed = true
    Terminal.note(message)
  }

  /// Prints the file, or writes it if there is none.
  mutating func write(_ device: ImportedDevice, from place: String) throws(ImportError) {
    guard names.insert(device.name).inserted else {
      throw ImportError("there is another device \(device.name)")
    }
    for warning in device.warnings { warn("\(place): \(device.name): \(warning)") }
    let file = DeviceFile(name: device.name, directory: directory)
    do throws(Failure) {
      guard save else { return try put(file.text(device.file, "made from \(place)")) }
      try file.create(device.file, "made from \(place)")
      try Terminal.line(file.path)
    } catch {
      throw ImportError(error.message)
    }
  }

  func finish(none: String) throws(Failure) {
    if hasFailed { throw Failure("not everything was imported") }
    if names.isEmpty { Terminal.note(none) }
  }
}
