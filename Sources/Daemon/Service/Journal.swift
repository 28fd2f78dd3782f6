// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import CSystemd
internal import Glibc
internal import Linux

/// The log: to the journal with fields if standard error leads there, else to standard error.
///
/// Nothing waits for it. Messages that it does not accept in time are dropped, and counted in the log.
enum Journal {
  /// Severities, with the numbers of syslog.
  nonisolated enum Level: Int, Sendable {
    case error = 3
    case warning, notice, info
  }

  /// What has happened to a device: the `MESSAGE_ID` of a line, which systemd/nbdd.catalog explains.
  nonisolated enum Event: String, Sendable, CaseIterable {
    case attached = "3a53b1641d304300a2bd49fb0f0bc49d"
    case detached = "5aa36df0c8f74e5184324bc8800c56c3"
    /// The connection to the server.
    case lost = "b4718ffe93fc49d4a84f52b8d5f21158"
    case back = "99729406a872495ba4e945d1c72cb036"
    /// Requests fail with I/O errors.
    case givenUp = "69b8f933521647b5b2e665932cca2733"
    /// An attempt to attach or to connect.
    case failed = "d8288969f0c747e8b9671f9dbe9217fa"
  }

  /// What a line is about, for filters.
  nonisolated struct Fields: Sendable {
    var event: Event?
    var device: String?
    var node: String?
    var server: String?

    fileprivate var pairs: [(String, String)] {
      [
        ("MESSAGE_ID", event?.rawValue), ("NBD_DEVICE", device), ("NBD_NODE", node),
        ("NBD_SERVER", server),
      ]
      .compactMap { name, value in value.map { (name, shown($0)) } }
    }
  }

  private nonisolated struct Line: Sendable {
    var level: Level
    var message: String
    var fields = Fields()
  }

  static func error(_ message: String, _ fields: Fields = Fields()) {
    write(.error, message, fields)
  }

  static func warning(_ message: String, _ fields: Fields = Fields()) {
    write(.warning, message, fields)
  }

  static func notice(_ message: String, _ fields: Fields = Fields()) {
    write(.notice, message, fields)
  }

  static func info(_ message: String, _ fields: Fields = Fields()) {
    write(.info, message, fields)
  }

  static func write(_ level: Level, _ message: String, _ fields: Fields) {
    outbox.append(Line(level: level, message: message, fields: fields))
  }

  /// Waits until everything is in the log, but not beyond the deadline.
  static func drain(until deadline: ContinuousClock.Instant) {
    outbox.drain(until: deadline)
  }

  private static let outbox = Outbox<Line>(
    "log", limit: 1024,
    note: { count in
      let messages = count == 1 ? "1 message was" : "\(count) messages were"
      return Line(
        level: .warning, message: "\(messages) dropped: the log did not accept them in time")
    }, write: { put($0) })

  // MARK: on the thread

  private nonisolated static func put(_ line: Line) {
    let message = shown(line.message)
    if isJournal {
      send([("MESSAGE", message), ("PRIORITY", "\(line.level.rawValue)")] + line.fields.pairs)
    } else {
      // On a terminal the number is of no use.
      let prefix = isTerminal ? "nbdd: " : "<\(line.level.rawValue)>"
      StandardStream.error.print("\(prefix)\(message)\n")
    }
  }

  private nonisolated static let isTerminal = isatty(2) == 1

  // systemd names the device and inode of the stream it made for us.
  private nonisolated static let isJournal: Bool = {
    guard let stream = Environment["JOURNAL_STREAM"] else { return false }
    return stream == File.identity(of: 2)
  }()

  private nonisolated static func send(_ pairs: [(String, String)]) {
    var bytes = pairs.map { Array("\($0)=\($1)".utf8) }.flatMap { $0 }
    let lengths = pairs.map { "\($0)=\($1)".utf8.count }
    unsafe bytes.withUnsafeMutableBytes { raw in
      var offset = 0
      let fields = unsafe lengths.map { length in
        defer { offset += length }
        return unsafe iovec(iov_base: raw.baseAddress.map { unsafe $0 + offset }, iov_len: length)
      }
      _ = unsafe sd_journal_sendv(fields, CInt(fields.count))
    }
  }
}
