// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// Lines of /etc/fstab that hang a boot or a shutdown, or that mean another device than they seem to.
enum FstabCheck {
  static func findings(at path: String) -> [Finding] {
    findings(File.contents(of: path) ?? "", path)
  }

  static func findings(_ text: String, _ path: String) -> [Finding] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
      .flatMap { findings($0.element, "\(path):\($0.offset + 1)") }
  }

  private static func findings(_ line: Substring, _ place: String) -> [Finding] {
    let fields = line.split { $0 == " " || $0 == "\t" }
    guard fields.count >= 4, !fields[0].hasPrefix("#") else { return [] }
    let (source, options) = (fields[0], fields[3].split(separator: ","))
    let isNumber = source.hasPrefix("/dev/nbd")
    guard isNumber || source.hasPrefix("/dev/disk/by-id/nbd-") else { return [] }
    let has = { (option: Substring) in options.contains(option) }
    let isAtBoot = !has("noauto")
    var missing: [String] = []
    // Swap has no order of its own for the network.
    if !has("_netdev") { missing.append("_netdev") }
    if isAtBoot, !has("nofail"), !has("x-systemd.automount") { missing.append("nofail") }
    var findings: [Finding] = []
    if !missing.isEmpty {
      let reasons = [
        "_netdev": "is not ordered after nbdd, and hangs the shutdown",
        "nofail": "holds up the boot while its server is away",
      ]
      findings.append(
        Finding(
          "\(place): \(source) " + missing.compactMap { reasons[$0] }.joined(separator: ", and "),
          mend: "add to its options: \(missing.joined(separator: ","))"))
    }
    if options.contains(where: { $0.hasPrefix("x-systemd.requires=nbdd.service") }) {
      findings.append(
        Finding(
          "\(place): \(source) is unmounted whenever nbdd is restarted",
          mend: "replace nbdd.service there with nbdd-devices.target"))
    }
    if isNumber {
      findings.append(
        Finding(
          "\(place): \(source) is the number of a device, which may become another one's",
          mend: "write /dev/disk/by-id/nbd-NAME instead, with the name of the device"))
    }
    return findings
  }
}
