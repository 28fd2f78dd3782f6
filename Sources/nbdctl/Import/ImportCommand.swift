// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Glibc
internal import Linux

/// `nbdctl import`.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make device files of what nbd-client or qemu-nbd attaches.",
    usage: """
      nbdctl import nbdtab [FILE] [--save] [--config DIRECTORY]
      nbdctl import --running [--save] [--config DIRECTORY] [--socket PATH]
      """,
    discussion: """
      Prints the files, or with --save writes those that do not exist yet. They say "autoAttach": \
      false, so that nothing is taken away: for each, end the other program's device, then run nbdctl \
      attach NAME, then remove that line.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Argument(
    help: ArgumentHelp(
      "What to import: the devices of nbd-client's nbdtab(5).", valueName: "nbdtab"),
    completion: .list(["nbdtab"]))
  var source: String?
  @Argument(help: ArgumentHelp("The nbdtab.", valueName: "FILE"), completion: .file())
  var file: String = "/etc/nbdtab"
  @Flag(help: "Import what other programs have attached now, by their command lines. For root.")
  var running = false
  @Flag(help: "Write the files.")
  var save = false
  @Option(
    help: ArgumentHelp("The configuration to write to.", valueName: "DIRECTORY"),
    completion: .directory)
  var config: String = "/etc/nbdd"

  mutating func validate() throws {
    guard running ? source == nil : source == "nbdtab" else {
      throw ValidationError("expected either nbdtab, with a FILE, or --running")
    }
  }

  mutating func run() throws {
    var writer = ImportWriter(directory: config, save: save)
    if running {
      importRunning(&writer)
      try writer.finish(none: "no other program has attached a device")
    } else {
      try importNbdtab(&writer)
      try writer.finish(none: "\(file) has no devices")
    }
  }

  private func importNbdtab(_ writer: inout ImportWriter) throws(Failure) {
    let text: String
    do throws(SystemError) {
      text = String(decoding: try File.bytes(of: file), as: UTF8.self)
    } catch {
      throw Failure("\(file): \(error)", EX_NOINPUT)
    }
    for record in Nbdtab(text).records {
      let place = "\(file):\(record.line)"
      for warning in record.warnings { writer.warn("\(place): \(warning)") }
      do throws(ImportError) {
        try writer.write(record.settings.get().imported(besides: writer.names), from: place)
      } catch {
        writer.fail("\(place): not imported: \(error.message)")
      }
    }
  }

  private func importRunning(_ writer: inout ImportWriter) {
    // Without nbdd, none of them is its.
    let devices = (try? daemon.client().devices()) ?? []
    let ours = devices.compactMap { $0.runtime.device.flatMap { Sysfs.index(of: $0) } }
    for found in RunningDevices.find(besides: Set(ours)) {
      do throws(ImportError) {
        try writer.write(found.result.get(), from: found.device)
      } catch {
        writer.fail("\(found.device): not imported: \(error.message)")
      }
    }
  }
}
