// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Glibc
import Linux
import Testing
import TestSupport

/// A server in a process of its own, which ends with the test.
final class Peer {
  let address: Address
  private let process: pid_t
  private let input: Descriptor
  private let output: Descriptor
  private var text = ""

  /// Starts a program that listens on a socket in `folder`.
  init(_ folder: Folder, _ arguments: (_ socket: String) -> [String]) throws {
    let path = folder.path("socket\(folder.next())")
    address = try #require(Address.unix(path: Array(path.utf8)))
    var ends: [CInt] = [-1, -1, -1, -1]
    let isMade = unsafe ends.withUnsafeMutableBufferPointer { room in
      unsafe pipe2(room.baseAddress, O_CLOEXEC) == 0
        && pipe2(room.baseAddress.map { unsafe $0 + 2 }, O_CLOEXEC) == 0
    }
    try #require(isMade)
    let (childInput, childOutput) = (Descriptor(owning: ends[0]), Descriptor(owning: ends[3]))
    input = Descriptor(owning: ends[1])
    output = Descriptor(owning: ends[2])
    process = try spawn(
      arguments(path), input: .descriptor(childInput), output: .descriptor(childOutput),
      errors: .descriptor(childOutput))
  }

  /// The scripted peer.
  convenience init(_ folder: Folder, mode: String, _ options: [String] = []) throws {
    let script = #filePath.replacing("Peer.swift", with: "peer.py")
    try self.init(folder) { ["python3", script, $0, mode] + options }
  }

  /// A TLS server of OpenSSL's own making.
  convenience init(_ folder: Folder, openssl options: [String]) throws {
    // What it prints is wanted at once.
    try self.init(folder) {
      ["stdbuf", "-oL", "openssl", "s_server", "-unix", $0, "-naccept", "1"] + options
    }
  }

  deinit {
    kill(process, SIGKILL)
    waitpid(process, nil, 0)
  }

  /// Connects as soon as it listens.
  func connect(interrupt: Wakeup? = nil) throws -> StreamSocket {
    let deadline = ContinuousClock.now + .seconds(20)
    while true {
      do throws(SocketError) {
        return try StreamSocket.connect(to: address, within: .seconds(5), interrupt: interrupt)
      } catch {
        if ContinuousClock.now > deadline { throw error }
        usleep(10_000)
      }
    }
  }

  /// Holds it, so that it neither sends nor receives.
  func stop() {
    kill(process, SIGSTOP)
  }

  /// Lets it go on.
  func resume() {
    kill(process, SIGCONT)
  }

  /// Types a line.
  func type(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    unsafe write(input.number, bytes, bytes.count)
  }

  /// Whether what it prints has this in it, now or soon, after what was asked for before.
  func prints(_ wanted: String) -> Bool {
    var room = [UInt8](repeating: 0, count: 4096)
    while !text.contains(wanted) {
      var entry = pollfd(fd: output.number, events: Int16(POLLIN), revents: 0)
      guard unsafe poll(&entry, 1, 20_000) == 1 else { return false }
      let count = unsafe read(output.number, &room, room.count)
      guard count > 0 else { return false }
      text += String(decoding: room.prefix(count), as: UTF8.self)
    }
    if let range = text.firstRange(of: wanted) { text.removeSubrange(..<range.upperBound) }
    return true
  }
}
