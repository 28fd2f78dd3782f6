// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
@testable import nbdctl

/// What the doctor reads out of texts; what it sees of a real machine is a scenario.
struct DoctorTests {
  private func faults(_ line: String) -> [String] {
    FstabCheck.findings("# a comment\n\n\(line)\n", "fstab").map { "\($0.fault): \($0.mend)" }
  }

  @Test(
    "lines of fstab that are well",
    arguments: [
      "/dev/sda1 / ext4 defaults 0 1",
      "#/dev/nbd0 /srv ext4 defaults 0 2",
      "/dev/disk/by-id/nbd-db /srv/db ext4 _netdev,nofail 0 2",
      "/dev/disk/by-id/nbd-db /srv/db ext4 noatime,_netdev,x-systemd.automount 0 2",
      "/dev/disk/by-id/nbd-db /srv/db ext4 _netdev,noauto 0 0",
      "/dev/nbd0",
    ])
  func well(line: String) {
    #expect(faults(line).isEmpty)
  }

  @Test(
    "lines of fstab that are not",
    arguments: [
      (
        "/dev/disk/by-id/nbd-db\t/srv/db\text4\tdefaults\t0 2",
        "is not ordered after nbdd, and hangs the shutdown, and holds up the boot while its server is away: add to its options: _netdev,nofail"
      ),
      (
        "/dev/disk/by-id/nbd-db /srv/db ext4 _netdev 0 2",
        "holds up the boot while its server is away: add to its options: nofail"
      ),
      (
        "/dev/disk/by-id/nbd-db none swap sw,nofail 0 0",
        "is not ordered after nbdd, and hangs the shutdown: add to its options: _netdev"
      ),
      (
        "/dev/disk/by-id/nbd-db /srv/db ext4 _netdev,nofail,x-systemd.requires=nbdd.service 0 2",
        "is unmounted whenever nbdd is restarted: replace nbdd.service there with nbdd-devices.target"
      ),
    ])
  func notWell(line: String, rest: String) {
    #expect(faults(line) == ["fstab:3: /dev/disk/by-id/nbd-db \(rest)"])
  }

  @Test("a number is not a name")
  func number() {
    #expect(
      faults("/dev/nbd0 /srv ext4 _netdev,nofail 0 2") == [
        "fstab:3: /dev/nbd0 is the number of a device, which may become another one's: "
          + "write /dev/disk/by-id/nbd-NAME instead, with the name of the device"
      ])
  }

  @Test("units that a restart of nbdd stops")
  func units() {
    let unit = [
      "UnitFileState": "enabled", "RequiredBy": "nbdd-x.service a.service b.mount",
      "BoundBy": "c.service", "ConsistsOf": "",
    ]
    #expect(
      UnitCheck.findings(unit).map(\.fault) == [
        "a.service has Requires=nbdd.service, and is stopped whenever nbdd is restarted",
        "b.mount has Requires=nbdd.service, and is stopped whenever nbdd is restarted",
        "c.service has BindsTo=nbdd.service, and is stopped whenever nbdd is restarted",
      ])
  }

  @Test(
    "nbdd at boot",
    arguments: [
      ("enabled", 0), ("static", 0), ("disabled", 1), ("masked", 1), ("", 1),
    ])
  func enabled(state: String, count: Int) {
    #expect(UnitCheck.findings(["UnitFileState": state]).count == count)
  }

  @Test(
    "kernels",
    arguments: [
      ("4.19.0-27-amd64", 1), ("5.9.16", 1), ("5.10.0", 0), ("6.1.0-41-amd64", 0), ("10.0", 0),
      ("", 0),
    ])
  func kernels(release: String, count: Int) {
    #expect(DriverCheck.findings(kernel: release).count == count)
  }
}
