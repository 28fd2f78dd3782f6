// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux

/// What blkid(8) finds on a device that mount(8) refuses.
extension Mounting {
  /// Returns a failure with the finding in front of mount's own message, which names many possible
  /// causes.
  nonisolated static func mountFailed(
    _ device: String, asked type: String?, _ failure: Failure
  ) -> Failure {
    guard let finding = finding(on: device, asked: type) else { return failure }
    var failure = failure
    failure.message = "\(finding) (\(failure.message))"
    return failure
  }

  /// For people; nil if blkid cannot be run, or finds what was expected.
  private nonisolated static func finding(on device: String, asked type: String?) -> String? {
    // With -p it reads the device itself, not its cache of earlier findings.
    guard
      let result = try? run(["blkid", "-p", "-o", "export", "--", device], within: .seconds(60))
    else { return nil }
    switch result.status {
    case 0:
      let facts = result.output.split(separator: "\n").map {
        $0.split(separator: "=", maxSplits: 1)
      }
      func fact(_ name: String) -> String? {
        facts.first { $0.count == 2 && $0[0] == name }.map { String($0[1]) }
      }
      if let found = fact("TYPE") {
        guard fact("USAGE") == "filesystem" else {
          return "there is no file system on \(device), but a part of something else, \(found)"
        }
        return type == found ? nil : "the file system on \(device) is \(found)"
      }
      return fact("PTTYPE").map {
        "\(device) has a partition table (\($0)) and no file system of its own"
      }
    case 2: return "there is no file system on \(device)"
    case 8: return "\(device) looks like several file systems at once; wipefs(8) shows them"
    default: return nil
    }
  }
}
