// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import ControlAPI
internal import Glibc
internal import Varlink

/// `nbdctl doctor`.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Look for what is wrong with this machine, and say what mends it.",
    discussion: """
      Looks at the kernel's driver, nbdd and its configuration, systemd's units, /etc/fstab, udev and the \
      files for TLS. Changes nothing. Prints nothing, and ends with 0, if all is well; with 1 if not. \
      Without root it sees less.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Option(
    help: ArgumentHelp("nbdd's configuration.", valueName: "DIRECTORY"), completion: .directory)
  var config: String = "/etc/nbdd"
  @Option(help: ArgumentHelp("The mounts of the boot.", valueName: "FILE"), completion: .file())
  var fstab: String = "/etc/fstab"
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    var findings: [Finding] = []
    var devices: [DeviceStatus] = []
    do throws(Failure) {
      let client = try daemon.client()
      devices = try client.devices()
      findings += DaemonCheck.findings(devices)
      findings += DaemonCheck.findings(
        version: try client.call(ControlMethod.info).value().version)
    } catch {
      findings.append(DaemonCheck.finding(error))
    }
    let wanted = devices.compactMap(\.context.device)
    findings += DriverCheck.findings(devices)
    findings += ConfigurationCheck.findings(config)
    findings += UnitCheck.findings(wanting: wanted)
    findings += FstabCheck.findings(at: fstab)
    findings += UdevCheck.findings(devices)
    findings += devices.flatMap(SecurityCheck.findings)
    try json ? put(document(findings)) : show(findings)
    if !findings.isEmpty { throw ExitCode(1) }
    if geteuid() != 0 { Terminal.note("nothing found; as root it would see more") }
  }

  private func show(_ findings: [Finding]) throws(Failure) {
    for finding in findings {
      try Terminal.line(finding.fault)
      try put("    \(shown(finding.mend))\n")
    }
  }

  private func document(_ findings: [Finding]) -> String {
    let list = findings.map { JSON.object(["fault": JSON($0.fault), "mend": JSON($0.mend)]) }
    return JSON.object(["formatVersion": 1, "findings": JSON(list)]).indentedText + "\n"
  }
}

/// Something that is wrong, and the command or the change that mends it.
struct Finding: Equatable {
  var fault: String
  var mend: String

  init(_ fault: String, mend: String) { (self.fault, self.mend) = (fault, mend) }
}
