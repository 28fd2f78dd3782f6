// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import Linux

/// The units of systemd.
enum UnitCheck {
  /// `wanted` are the kernel devices that the configuration names.
  static func findings(wanting wanted: [String]) -> [Finding] {
    guard DaemonCheck.hasSystemd else { return [] }
    let names = ["UnitFileState", "RequiredBy", "BoundBy", "ConsistsOf"]
    guard let unit = properties(names, of: "nbdd.service") else { return [] }
    var findings = findings(unit)
    for index in wanted.compactMap({ Sysfs.index(of: $0) }) {
      let rival = "nbd@nbd\(index).service"
      guard properties(["UnitFileState"], of: rival)?["UnitFileState"] == "enabled" else {
        continue
      }
      findings.append(
        Finding(
          "\(rival) attaches /dev/nbd\(index) by nbd-client at boot, which nbdd is to do",
          mend: "systemctl disable --now \(rival)"))
    }
    return findings
  }

  /// What the properties of nbdd.service say.
  static func findings(_ unit: [String: String]) -> [Finding] {
    var findings: [Finding] = []
    switch unit["UnitFileState"] {
    case "enabled", "enabled-runtime", "static", "indirect", "alias", "linked": break
    case "", nil:
      findings.append(
        Finding("systemd has no nbdd.service", mend: "install nbdd's package, or make install"))
    default:
      findings.append(
        Finding("nbdd is not started at boot", mend: "systemctl enable nbdd.socket nbdd.service"))
    }
    let kinds = [("RequiredBy", "Requires"), ("BoundBy", "BindsTo"), ("ConsistsOf", "PartOf")]
    for (property, setting) in kinds {
      for name in (unit[property] ?? "").split(separator: " ") where !name.hasPrefix("nbdd") {
        findings.append(
          Finding(
            "\(name) has \(setting)=nbdd.service, and is stopped whenever nbdd is restarted",
            mend: "systemctl edit \(name): replace it with \(setting)=nbdd-devices.target"))
      }
    }
    return findings
  }

  private static func properties(_ names: [String], of unit: String) -> [String: String]? {
    let command = ["systemctl", "show", "--property=\(names.joined(separator: ","))", "--", unit]
    guard let result = try? ChildProcess.run(command, within: .seconds(5)), result.status == 0
    else { return nil }
    let pairs = result.output.split(separator: "\n").map {
      $0.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    }
    return Dictionary(pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) }) { $1 }
  }
}
