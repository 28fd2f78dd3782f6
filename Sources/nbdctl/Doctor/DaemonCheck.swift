// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Glibc
internal import Linux

/// nbdd itself, as its socket shows it.
enum DaemonCheck {
  static var hasSystemd: Bool { File.isThere("/run/systemd/system") }

  /// nbdd cannot be talked to.
  static func finding(_ failure: Failure) -> Finding {
    switch failure.status {
    case EX_NOPERM:
      Finding(
        failure.message,
        mend: "usermod -aG nbdd \(Environment["USER"] ?? "USER"); then log in again")
    case EX_UNAVAILABLE:
      Finding(
        "nbdd does not answer: \(failure.message)",
        mend: hasSystemd ? "systemctl start nbdd.service" : "nbdd &")
    default: Finding(failure.message, mend: restart)
    }
  }

  private static var restart: String {
    hasSystemd ? "systemctl restart nbdd.service" : "kill -USR2 $(pidof nbdd); nbdd &"
  }

  static func findings(version: String) -> [Finding] {
    guard version != Version.text else { return [] }
    return [Finding("nbdd is version \(version), and nbdctl is \(Version.text)", mend: restart)]
  }

  static func findings(_ devices: [DeviceStatus]) -> [Finding] {
    devices.compactMap { device in
      let (name, runtime) = (device.context.name, device.runtime)
      if runtime.state == .failed {
        let reason = runtime.failure?.message ?? runtime.message
        return Finding(
          "\(name): \(reason)",
          mend: "nbdctl status \(name) says more; then nbdctl reconnect \(name)")
      }
      if runtime.path == .relay, runtime.state == .attached, runtime.keptBy == nil {
        return Finding(
          "\(name): no nbdd-keeper holds it, so it ends with nbdd",
          mend:
            "start nbdd without --no-keeper, and with nbdd-keeper beside it; then detach the device and attach it again"
        )
      }
      return nil
    }
  }
}
