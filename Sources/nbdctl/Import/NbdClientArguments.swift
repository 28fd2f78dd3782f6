// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The command line of a running nbd-client.
///
/// It takes long options with one or two hyphens, shortened as long as they are unambiguous, and short ones.
extension NbdClientSettings {
  private enum Option: Sendable {
    case flag(any WritableKeyPath<NbdClientSettings, Bool> & Sendable)
    case value(any WritableKeyPath<NbdClientSettings, String?> & Sendable)
    case export
    /// Without a meaning for nbdd.
    case otherFlag
    case otherValue
  }

  private static let long: [String: Option] = [
    "block-size": .value(\.blockSize), "cacertfile": .value(\.authority),
    "certfile": .value(\.certificate), "connections": .value(\.connections),
    "dead-timeout": .value(\.deadTimeout), "enable-tls": .flag(\.isSecure),
    "identifier": .otherValue, "keyfile": .value(\.key), "name": .export, "no-optgo": .otherFlag,
    "nofork": .otherFlag, "nonetlink": .otherFlag, "persist": .otherFlag,
    "preinit": .flag(\.isPreinitialised), "priority": .value(\.priority),
    "readonly": .flag(\.isReadOnly), "size": .value(\.size), "swap": .flag(\.isSwap),
    "systemd-mark": .otherFlag, "timeout": .value(\.requestTimeout),
    "tlshostname": .value(\.hostname), "unix": .flag(\.isUnix),
  ]
  private static let short: [Character: String] = [
    "b": "block-size", "A": "cacertfile", "F": "certfile", "C": "connections", "T": "dead-timeout",
    "x": "enable-tls", "i": "identifier", "K": "keyfile", "N": "name", "g": "no-optgo",
    "n": "nofork", "L": "nonetlink", "p": "persist", "P": "preinit", "y": "priority",
    "R": "readonly", "B": "size", "s": "swap", "m": "systemd-mark", "t": "timeout",
    "H": "tlshostname", "u": "unix",
  ]

  /// Reads the arguments after the program's name; `device` is what it attached.
  init(arguments: [String], device: String) throws(ImportError) {
    self.init(device: device, server: "")
    var words: [String] = []
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("-"), argument != "-" else {
        words.append(argument)
        continue
      }
      let name = argument.drop { $0 == "-" }
      let parts = name.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if let option = try Self.option(String(parts[0])) {
        try take(option, parts.count > 1 ? String(parts[1]) : nil, &rest)
      } else if let letter = name.first, let long = Self.short[letter], let option = Self.long[long]
      {
        try take(option, name.count > 1 ? String(name.dropFirst()) : nil, &rest)
      } else {
        throw ImportError("nbd-client's option \(argument) is unknown")
      }
    }
    try take(words)
  }

  private static func option(_ name: String) throws(ImportError) -> Option? {
    if let option = long[name] { return option }
    guard name.count > 1 else { return nil }
    let candidates = long.filter { $0.key.hasPrefix(name) }
    if candidates.count > 1 { throw ImportError("nbd-client's option \(name) is ambiguous") }
    return candidates.first?.value
  }

  private mutating func take(
    _ option: Option, _ value: String?, _ rest: inout ArraySlice<String>
  ) throws(ImportError) {
    switch option {
    case .otherFlag: break
    case .flag(let path): self[keyPath: path] = true
    case .otherValue, .value, .export:
      guard let value = value ?? rest.popFirst() else {
        throw ImportError("nbd-client's last option has no value")
      }
      if case .value(let path) = option { self[keyPath: path] = value }
      if case .export = option { export = value }
    }
  }

  /// HOST [PORT] DEVICE, or with a UNIX socket PATH DEVICE; the old forms bs=N and timeout=N may be among them.
  private mutating func take(_ words: [String]) throws(ImportError) {
    var places: [String] = []
    for word in words {
      if word.hasPrefix("bs=") {
        blockSize = String(word.dropFirst("bs=".count))
      } else if word.hasPrefix("timeout=") {
        requestTimeout = String(word.dropFirst("timeout=".count))
      } else {
        places.append(word)
      }
    }
    if places.last.map({ $0 == device || "/dev/\($0)" == device }) == true { places.removeLast() }
    guard let server = places.first else {
      throw ImportError("its command line names no server; is the device in /etc/nbdtab?")
    }
    self.server = server
    if places.count > 1, !isUnix { port = places[1] }
  }
}
