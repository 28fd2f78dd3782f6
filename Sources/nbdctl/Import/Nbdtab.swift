// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The records of nbd-client's /etc/nbdtab (nbdtab(5)): a device, a server and an export in each line, then options.
///
/// More is read than nbd-client would: what it refuses or mistakes is read as it was meant, with a warning.
struct Nbdtab {
  struct Record {
    /// From 1.
    var line: Int
    var settings: Result<NbdClientSettings, ImportError>
    var warnings: [String] = []
  }

  private(set) var records: [Record] = []

  init(_ text: String) {
    var seen: Set<String> = []
    // A Swift character may be a carriage return with its line feed.
    for (index, line) in text.utf8.split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    ).enumerated() {
      guard var record = Self.record(String(Substring(line)), line: index + 1) else { continue }
      if case .success(let settings) = record.settings {
        let device = Self.number(settings.device)
        if !seen.insert(device).inserted {
          record.settings = .failure(
            ImportError("\(settings.device) has an earlier line, which is the one that counts"))
        }
      }
      records.append(record)
    }
  }

  private static func number(_ device: String) -> String {
    device.hasPrefix("/dev/") ? String(device.dropFirst("/dev/".count)) : device
  }

  /// The record in a line; nil: there is none.
  private static func record(_ line: String, line number: Int) -> Record? {
    var warnings: [String] = []
    var line = Substring(line)
    if line.utf8.last == UInt8(ascii: "\r") {
      line = Substring(decoding: line.utf8.dropLast(), as: UTF8.self)
      if !line.isEmpty {
        warnings.append(
          "it ends in a carriage return, which nbd-client takes for a part of the last word")
      }
    }
    var words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
    if let comment = words.firstIndex(where: { $0.hasPrefix("#") }) {
      words.removeSubrange(comment...)
      if !words.isEmpty {
        warnings.append("nbd-client joins the next line to one that ends in a comment")
      }
    } else if let last = line.last, last == " " || last == "\t", !words.isEmpty {
      warnings.append("nbd-client refuses a line that ends in blanks")
    }
    if words.isEmpty { return nil }
    if line.first == " " || line.first == "\t" {
      warnings.append("nbd-client refuses a line that begins with blanks")
    }
    do throws(ImportError) {
      let settings = try settings(words, &warnings)
      return Record(line: number, settings: .success(settings), warnings: warnings)
    } catch {
      return Record(line: number, settings: .failure(error), warnings: warnings)
    }
  }

  private static func settings(
    _ words: [String], _ warnings: inout [String]
  ) throws(ImportError) -> NbdClientSettings {
    guard words.count >= 3 else {
      throw ImportError("expected a device, a server and an export; there are \(words.count) words")
    }
    if words.count > 4 { warnings.append("options have blanks between them") }
    if let word = words[..<3].first(where: { $0.contains { ",=".contains($0) } }) {
      throw ImportError("\(word): nbdtab has no way to write a comma or an equals sign there")
    }
    var settings = NbdClientSettings(device: words[0], server: words[1], export: words[2])
    let options = words[3...].joined(separator: ",").split(separator: ",")
    for option in options { try settings.take(option, &warnings) }
    return settings
  }
}

extension NbdClientSettings {
  private static let flags: [String: any WritableKeyPath<Self, Bool> & Sendable] = [
    "unix": \.isUnix, "tls": \.isSecure, "preinit": \.isPreinitialised, "swap": \.isSwap,
  ]
  private static let values: [String: any WritableKeyPath<Self, String?> & Sendable] = [
    "port": \.port, "certfile": \.certificate, "keyfile": \.key, "cacertfile": \.authority,
    "tlshostname": \.hostname, "priority": \.priority, "bs": \.blockSize,
    "timeout": \.requestTimeout, "dead-timeout": \.deadTimeout, "conns": \.connections,
  ]
  /// What nbdd does by itself: it asks old servers in the old way, and always connects again.
  private static let needless: Set = ["no_optgo", "persist"]

  fileprivate mutating func take(
    _ option: Substring, _ warnings: inout [String]
  ) throws(ImportError) {
    let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let (key, value) = (String(parts[0]), parts.count > 1 ? String(parts[1]) : nil)
    if let path = Self.values[key] {
      guard let value, !value.isEmpty else { throw ImportError("\(key) has no value") }
      self[keyPath: path] = value
    } else if Self.flags[key] != nil || Self.needless.contains(key) {
      guard value == nil else { throw ImportError("\(key) takes no value") }
      if let path = Self.flags[key] { self[keyPath: path] = true }
    } else if !key.hasPrefix("_") {
      // Such keys are for others.
      warnings.append("the option \(key) is unknown, and left out")
    }
  }
}
