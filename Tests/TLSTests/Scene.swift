// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Linux
import Synchronization
import Testing
import TLS

/// How long a test waits for what must come.
let patience = Duration.seconds(30)

/// A folder with a CA, and a certificate of it for good.example.
func makeFolder() throws -> Folder {
  let folder = try Folder()
  try folder.makeAuthority("ca")
  try folder.makeCertificate("server")
  return folder
}

/// Credentials that trust the folder's CA.
func credentials(
  _ folder: Folder, _ change: (inout Credentials.Settings) -> Void = { _ in }
) throws -> Credentials {
  var settings = Credentials.Settings()
  settings.caFile = folder.path("ca.pem")
  settings.hostname = "good.example"
  change(&settings)
  return try Credentials(settings)
}

extension Folder {
  /// Options of the scripted peer for one of the certificates.
  func certificate(_ name: String) -> [String] {
    ["cert=\(path("\(name).pem"))", "key=\(path("\(name).key"))"]
  }
}

extension Peer {
  /// Connects and agrees on a session.
  func session(
    _ credentials: Credentials, within time: Duration = patience, interrupt: Wakeup? = nil
  ) throws -> Session {
    try Session(over: connect(interrupt: interrupt), credentials, until: .now + time, time)
  }

  /// The reason why there is no session, or why it ends as soon as something is awaited.
  ///
  /// A TLS 1.3 server judges the client when the client has finished already.
  func refusal(
    _ credentials: Credentials, within time: Duration = patience, interrupt: Wakeup? = nil
  ) throws -> TLSError? {
    let socket = try connect(interrupt: interrupt)
    do throws(TLSError) {
      let session = try Session(over: socket, credentials, until: .now + time, time)
      _ = try session.receive(1, until: .now + time, time)
      return nil
    } catch {
      return error
    }
  }
}

extension Session {
  func send(_ text: String) throws(TLSError) {
    try send(Array(text.utf8), until: .now + patience, patience)
  }

  func receiveText(_ count: Int) throws(TLSError) -> String {
    String(decoding: try receive(count, until: .now + patience, patience), as: UTF8.self)
  }
}

/// Runs something on a thread as the program has them, with a small stack.
final class Errand<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let end: Wakeup

  init(_ body: @escaping @Sendable () -> Value) throws {
    end = try Wakeup()
    try Thread.start("errand") { [self] in
      let result = body()
      value.withLock { $0 = result }
      end.signal()
    }
  }

  /// Waits for the end.
  func result() throws -> Value {
    _ = try end.wait(within: .seconds(60))
    return try #require(value.withLock { $0 })
  }
}

/// Bytes that differ from place to place.
func pattern(_ places: Range<Int>) -> [UInt8] {
  places.map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 8 ^ $0 >> 16) }
}
