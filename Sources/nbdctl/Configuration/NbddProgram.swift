// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc
internal import Linux

/// nbdd as a program that checks a configuration: what it means is known there alone.
enum NbddProgram {
  /// What is wrong with a configuration, or with one file for it, each in a line with its place.
  static func problems(in path: String) throws(Failure) -> [String] {
    let result = try run(["--config", path, "--check"])
    switch Int32(result.status) {
    case 0: return []
    case EX_CONFIG: return result.output.split(separator: "\n").map(String.init)
    default: throw Failure("nbdd --check ended with \(result.status): \(result.output)")
    }
  }

  /// Runs nbdd: the one beside this program if there is one, else that in PATH.
  static func run(_ arguments: [String]) throws(Failure) -> ChildProcess.Result {
    let own = File.realPath("/proc/self/exe")
    let beside = own.lastIndex(of: "/").map { String(own[..<$0]) } ?? ""
    let places = [beside, beside.hasSuffix("/bin") ? "\(beside.dropLast(3))sbin" : beside]
    let path = places.map { "\($0)/nbdd" }.first(where: File.isThere) ?? "nbdd"
    do throws(ChildProcess.Failure) {
      return try ChildProcess.run([path] + arguments, within: .seconds(10), keeping: 64 << 20)
    } catch {
      throw Failure("nbdd cannot be run: \(error)", EX_UNAVAILABLE)
    }
  }
}
