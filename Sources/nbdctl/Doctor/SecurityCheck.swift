// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Linux
internal import NBD
internal import TLS
internal import Transport

/// The files that a device needs for TLS.
enum SecurityCheck {
  /// So long before its end a certificate is to be replaced, in days.
  private static let notice = 14

  static func findings(_ device: DeviceStatus) -> [Finding] {
    let context = device.context
    guard let uri = try? URI(parsing: context.uri, allowing: .usual.union(.localFiles)) else {
      return []
    }
    var files = SecurityFiles()
    files.directory = context.tlsCertificates
    files.pskFile = context.tlsPSKFile
    files.priority = context.tlsPriority
    files.hostname = context.tlsHostname
    files.verifyPeer = context.verifyPeer
    do throws(CredentialsError) {
      guard let credentials = try files.credentials(for: uri) else { return [] }
      let ends = try credentials.certificateEnds()
      return ends.filter { $0.end.daysFromNow < notice }.map { file, end in
        Finding(
          "\(context.name): \(file) \(end.daysFromNow < 0 ? "has ended" : "ends") on \(end)",
          mend: "replace it; then nbdctl reconnect \(context.name)")
      }
    } catch {
      return [Finding("\(context.name): \(error)", mend: mend(error, context.name))]
    }
  }

  private static func mend(_ error: CredentialsError, _ name: String) -> String {
    switch error {
    case .tooOpen(let file, _): "chmod 600 \(file)"
    case .foreignOwner(let file, _): "chown root \(file)"
    case .expired, .notYetValid: "replace it; then nbdctl reconnect \(name)"
    default: "correct that; then nbdctl reconnect \(name)"
    }
  }
}
