// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Dispatch
internal import Glibc
internal import Keeper
internal import Linux

/// nbdd's connection to nbdd-keeper.
final class KeeperLink {
  let path: String
  private let client: KeeperClient
  private var source: (any DispatchSourceRead)?

  /// Called when the kernel has ended a device, with the error number of NBD_DO_IT.
  var onEnd: (String, Int32) -> Void = { _, _ in }
  /// Called once when the keeper has ended.
  var onLoss: () -> Void = {}

  /// Connects to the keeper that listens at a path, or starts one there.
  ///
  /// ENOENT: the program nbdd-keeper is not beside nbdd.
  init(at path: String) throws(SystemError) {
    self.path = path
    client = try Self.connect(path)
    try client.watch()
    source = Loop.onReadable(client.descriptor) { [weak self] in self?.receive() }
  }

  isolated deinit {
    source?.cancel()
  }

  private static func connect(_ path: String) throws(SystemError) -> KeeperClient {
    do throws(SystemError) { return try KeeperClient(at: path) } catch {
      guard error.isAbsence else { throw error }
    }
    let program = File.realPath("/proc/self/exe")
    let directory = program.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    try Server.start("\(directory.joined(separator: "/"))/nbdd-keeper", listeningAt: path)
    return try KeeperClient(at: path)
  }

  private func receive() {
    do throws(SystemError) {
      while let event = try client.event() {
        if event.verb == .ended { onEnd(event.name, Int32(truncatingIfNeeded: event.number)) }
      }
    } catch {
      source?.cancel()
      source = nil
      onLoss()
    }
  }

  /// All devices that it has.
  static func list(at path: String) throws(SystemError) -> [KeptDevice] {
    try KeeperClient(at: path).list()
  }

  // MARK: requests without a reply

  func keepServer(of name: String, _ number: Int, _ server: Descriptor) {
    note(name) { () throws(SystemError) in try client.keepServer(of: name, number, server) }
  }

  func releaseServer(of name: String, _ number: Int) {
    note(name) { () throws(SystemError) in try client.releaseServer(of: name, number) }
  }

  func end(_ name: String, after time: Duration) {
    note(name) { () throws(SystemError) in try client.end(name, after: time) }
  }

  private func note(_ name: String, _ body: () throws(SystemError) -> Void) {
    do throws(SystemError) { try body() } catch {
      Journal.warning(
        "\(name): nbdd-keeper does not respond: \(error)", Journal.Fields(device: name))
    }
  }
}

extension SystemError {
  /// Nobody listens at the path.
  nonisolated fileprivate var isAbsence: Bool { errno == ENOENT || errno == ECONNREFUSED }
}
