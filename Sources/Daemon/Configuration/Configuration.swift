// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import Glibc
internal import Linux
internal import Varlink

/// The contents of the configuration files, with every fault in them.
///
/// A fault excludes only the device of its own file.
nonisolated struct Configuration: Sendable {
  /// A device and the file that declares it.
  struct Declaration: Sendable, Equatable {
    var configuration: DeviceConfiguration
    var file: String
    /// The place of its URI in the file.
    var place: JSON.Place?
  }

  /// By the device's name.
  var devices: [String: Declaration] = [:]
  var problems: [Problem] = []
  /// The values of settings that a device's file, or the context of an Attach, omits.
  var defaults = DeviceConfiguration.Settings()
  /// How long a stop may take before devices are given up by force.
  var stopTimeout = Duration.seconds(30)
  /// How long a server may be silent while the machine shuts down.
  var shutdownTimeout = Duration.seconds(30)

  static let defaultDirectory = "/etc/nbdd"
  /// Where files are without --config; the first that has a name counts.
  static let defaultDirectories = [defaultDirectory, "/run/nbdd", "/usr/lib/nbdd"]

  /// Reads the configuration in `directory`; with the default one, the others below it.
  ///
  /// If it is a file, that is read alone: as nbdd.json if it has that name, else as a device's.
  static func read(_ directory: String) -> Configuration {
    if File.isRegular(directory) { return read(file: directory) }
    let lower = directory == defaultDirectory ? defaultDirectories.dropFirst() : []
    return read(directory, above: Array(lower))
  }

  /// Reads nbdd.json in `directory`, and devices.d/*.json there and in the `lower` directories.
  ///
  /// Of several files with the same name, the first in this order counts.
  static func read(_ directory: String, above lower: [String]) -> Configuration {
    var configuration = Configuration()
    configuration.check(directory, mayBeMissing: directory == defaultDirectory)
    configuration.readMain("\(directory)/nbdd.json")
    var uses: Uses = [:]
    var files: [String: String] = [:]
    for directory in [directory] + lower {
      configuration.check("\(directory)/devices.d", mayBeMissing: true)
      for name in Directory.names(in: "\(directory)/devices.d") where isConfiguration(name) {
        if files[name] == nil { files[name] = "\(directory)/devices.d/\(name)" }
      }
    }
    for (name, file) in files.sorted(by: { $0.key < $1.key }) {
      configuration.readDevice(String(name.dropLast(".json".count)), file, &uses)
    }
    return configuration
  }

  private static func read(file: String) -> Configuration {
    var configuration = Configuration()
    let name = file.split(separator: "/").last.map(String.init) ?? file
    if name == "nbdd.json" {
      configuration.readMain(file)
    } else if !name.hasSuffix(".json") {
      configuration.problems.append(
        Problem(file: file, message: "expected a name that ends in .json"))
    } else {
      var uses: Uses = [:]
      configuration.readDevice(String(name.dropLast(".json".count)), file, &uses)
    }
    return configuration
  }

  /// All of it with its defaults, as one document: the keys of nbdd.json, then `devices`.
  var json: JSON {
    let own = Self.keys.compactMap { key in
      key.json(self).map { JSON.Member(name: key.name, value: $0) }
    }
    let devices = devices.values.sorted { $0.configuration.name < $1.configuration.name }
      .map { declaration -> JSON in
        let file = JSON.Member(name: "file", value: JSON(declaration.file))
        return JSON(.object([file] + (declaration.configuration.json.members ?? [])))
      }
    return JSON(.object(own + [JSON.Member(name: "devices", value: JSON(devices))]))
  }

  /// Records a fault if a directory cannot be read: unreadable does not mean empty.
  private mutating func check(_ directory: String, mayBeMissing: Bool) {
    do throws(SystemError) { _ = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY) } catch {
      guard !(mayBeMissing && error.errno == ENOENT) else { return }
      problems.append(Problem(file: directory, message: "cannot be read: \(error.reason)"))
    }
  }

  // Hidden files and editors' backups are not configuration files.
  private static func isConfiguration(_ name: String) -> Bool {
    name.hasSuffix(".json") && !name.hasPrefix(".")
  }

  private mutating func readMain(_ file: String) {
    guard let object = parse(file, mayBeMissing: true) else { return }
    var reader = ConfigurationReader(object, file: file)
    var configuration = self
    reader.read(Self.keys, into: &configuration)
    reader.finish()
    if reader.isSound { self = configuration }
    problems += reader.problems
  }

  /// The exports of the devices read so far, with the files that name them.
  private typealias Uses = [ExportIdentity: [(use: ExportUse, file: String)]]

  private mutating func readDevice(_ name: String, _ file: String, _ uses: inout Uses) {
    guard let object = parse(file) else { return }
    var reader = ConfigurationReader(object, file: file)
    let configuration = DeviceConfiguration(&reader, name: name, defaults: defaults)
    problems += reader.problems
    guard let configuration else { return }
    let rival = devices.values.first { $0.configuration.device == configuration.device }
    if let device = configuration.device, let rival {
      problems.append(
        Problem(
          file: file, place: object["device"]?.place,
          message: "device: \(DeviceNode.path(device)) is taken by \(rival.file) already; "
            + "choose another, or leave it out for any free one"))
      return
    }
    let use = ExportUse(configuration)
    if let rival = uses[use.export]?.first(where: { $0.use.clashes(with: use) }) {
      problems.append(
        Problem(
          file: file, place: object["uri"]?.place,
          message: "uri: this is the export of \(rival.file) already; \(ExportUse.remedy)"))
      return
    }
    uses[use.export, default: []].append((use, file))
    devices[name] = Declaration(
      configuration: configuration, file: file, place: object["uri"]?.place)
  }

  private mutating func parse(_ file: String, mayBeMissing: Bool = false) -> JSON? {
    let text: [UInt8]
    do throws(SystemError) { text = try File.bytes(of: file, limit: 1 << 20) } catch {
      guard !(mayBeMissing && error.errno == ENOENT) else { return nil }
      problems.append(Problem(file: file, message: "cannot be read: \(error.reason)"))
      return nil
    }
    do throws(JSONError) { return try JSON(parsing: text, dialect: .json5) } catch {
      problems.append(Problem(file: file, place: error.place, message: error.message))
      return nil
    }
  }
}
