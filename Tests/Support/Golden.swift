// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// Files in Tests/Golden: the expected output, for people to read in a change.
package enum Golden {
  /// Compares output with a file; with NBDD_UPDATE_GOLDEN=1 in the environment, writes the file.
  ///
  /// - Returns: The difference; nil if there is none.
  package static func difference(_ output: String, from name: String) -> String? {
    let path = directory + name
    if Environment["NBDD_UPDATE_GOLDEN"] != nil {
      do throws(SystemError) {
        try File.write(output, to: path)
        return nil
      } catch {
        return "\(error)"
      }
    }
    guard let expected = File.contents(of: path) else { return "Tests/Golden/\(name) is not there" }
    guard output != expected else { return nil }
    let lines = [output, expected].map {
      $0.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
    let first = zip(lines[0], lines[1]).prefix { $0 == $1 }.count
    let (here, there) = (lines[0].dropFirst(first).first, lines[1].dropFirst(first).first)
    return """
      line \(first + 1) is "\(here ?? "")", and in Tests/Golden/\(name) "\(there ?? "")"; if that is \
      meant: NBDD_UPDATE_GOLDEN=1 swift test --filter Golden
      """
  }

  private static var directory: String {
    // This file is Tests/Support/Golden.swift.
    #filePath.split(separator: "/").dropLast(2).map { "/\($0)" }.joined() + "/Golden/"
  }
}
