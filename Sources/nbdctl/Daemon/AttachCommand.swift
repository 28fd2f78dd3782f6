// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import BlockDevice
internal import ControlAPI
internal import Linux
internal import NBD
internal import Varlink

/// `nbdctl attach`.
struct AttachCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "attach",
    abstract: "Attach a configured device by its name, or any export by its URI.",
    discussion: """
      Prints the path of the device when it is usable. Leaves a device that is already attached as it \
      is; if only its mount is missing, tries to mount it again. --name, --device, --read-only, \
      --shared, --mount and --save are for a URI.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp(
      "A name, or nbd://HOST[:PORT]/EXPORT, or nbd+unix:///EXPORT?socket=PATH.",
      valueName: "NAME|URI"),
    completion: DeviceNames.completion)
  var target: String
  @Option(
    help: ArgumentHelp(
      "Keep retrying for up to this long (for example 30s or 5min).", valueName: "TIME"))
  var wait: String?
  @Option(
    help: ArgumentHelp("Name of the device (default: made from the URI).", valueName: "NAME"))
  var name: String?
  @Option(
    help: ArgumentHelp(
      "Kernel device, for example nbd3 (default: the first free one).", valueName: "NBDN"))
  var device: String?
  @Flag(help: "Attach read-only.")
  var readOnly = false
  @Flag(help: "Allow another device to have the same export: for a cluster file system.")
  var shared = false
  @Option(
    help: ArgumentHelp("Mount it at this path.", valueName: "PATH"), completion: .directory)
  var mount: String?
  @Flag(help: "Write a device file as well, so that it is attached at every start.")
  var save = false
  @Option(
    help: ArgumentHelp("The configuration to write to.", valueName: "DIRECTORY"),
    completion: .directory)
  var config: String = "/etc/nbdd"
  @Flag(help: "Print the path in /dev/disk/by-id, which stays the same.")
  var byID = false
  @Flag(help: "Print JSON.")
  var json = false

  mutating func validate() throws {
    let isForURI = name != nil || device != nil || readOnly || shared || mount != nil || save
    guard !isMeantAsURI, isForURI else { return }
    throw ValidationError(
      "--name, --device, --read-only, --shared, --mount and --save are for a URI; "
        + "a configured device has them in its file")
  }

  mutating func run() throws {
    let parameters = isURI ? try newDevice() : try knownDevice()
    let client = try daemon.client()
    let file = parameters.context.map { DeviceFile(name: $0.name, directory: config) }
    if save { try file?.mustBeMissing() }
    let response = try client.call(ControlMethod.attach, parameters)
    let result = try response.value()
    if save, let file, let context = parameters.context {
      try file.create(context.json.withoutName)
      _ = try daemon.client().call(ControlMethod.reload).value()
    }
    if json { return try put(response.document) }
    if !result.changed { Terminal.note("\(result.device.context.name) is already attached") }
    try Terminal.line(
      byID ? link(to: result.device.context.name) : result.device.runtime.device ?? "?")
  }

  private func link(to name: String) throws(Failure) -> String {
    let path = DeviceLink.path(name)
    guard (try? File.exists(path)) == true else {
      throw Failure(
        "\(name) is attached, but there is no \(path); does udev run, with the rule 61-nbdd.rules?")
    }
    return path
  }

  private var isURI: Bool { target.contains("://") }

  /// No device name contains either.
  private var isMeantAsURI: Bool { target.contains("/") || target.contains(":") }

  private func waitTimeout() throws(Failure) -> String? {
    if let wait { _ = try Usage.duration("--wait", wait) }
    return wait
  }

  private func knownDevice() throws(Failure) -> AttachParameters {
    var parameters = AttachParameters()
    parameters.waitTimeout = try waitTimeout()
    let name = target.hasPrefix("/") ? try daemon.client().name(for: target) : target
    // What is not a name is read as a URI, to say what is wrong with it.
    if name == target, isMeantAsURI { _ = try Usage.uri(target) }
    parameters.name = name
    return parameters
  }

  private func newDevice() throws(Failure) -> AttachParameters {
    var parameters = AttachParameters()
    parameters.waitTimeout = try waitTimeout()
    let uri = try Usage.uri(target)
    var context = DeviceContext()
    context.name = name ?? Self.name(from: uri)
    context.uri = target
    context.device = try device.map { name throws(Failure) in
      try Usage.kernelDevice("--device", name)
    }
    context.readOnly = readOnly ? true : nil
    context.shared = shared ? true : nil
    context.mount = mount.map { MountContext(path: $0) }
    parameters.context = context
    return parameters
  }

  /// The last part of the export's name, else the host, in characters that a name can have.
  private static func name(from uri: URI) -> String {
    var source = uri.exportName.split(separator: "/").last.map(String.init) ?? ""
    if source.isEmpty, case .tcp(let host, _) = uri.transport { source = host }
    let allowed = source.filter { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) }
    let name = allowed.drop { !$0.isLetter && !$0.isNumber }.prefix(64)
    return name.isEmpty ? "nbd" : String(name)
  }
}

extension JSON {
  /// A device's configuration as its file has it: the file's name is the device's.
  fileprivate var withoutName: JSON {
    JSON(.object((members ?? []).filter { $0.name != "name" }))
  }
}
