// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Linux
internal import Testing

/// Somebody between nbdctl and a real server who meddles with the start of TLS.
@Suite(
  .needsSecureServers,
  .enabled(if: Tool.python.isInstalled, "needs python3: apt-get install python3")
)
struct MeddlingTests {
  /// Client flags of fixed newstyle without zeroes, and the option STARTTLS.
  private static let wish = binary("00000003" + "49484156454f5054 00000005 00000000")
  private static let abort = binary("49484156454f5054 00000002 00000000")
  private static let name = "payroll"

  /// What the man in the middle does, what the client says to that, and what it said in the clear.
  struct Meddling: Sendable, CustomTestStringConvertible {
    let mode: String
    let words: String
    let sent: [UInt8]
    var testDescription: String { mode }
  }

  static let stripping = [
    Meddling(
      mode: "unsupported", words: "option STARTTLS: the server does not offer TLS",
      sent: wish + abort),
    Meddling(
      mode: "policy",
      words: "option STARTTLS: refused with ERR_POLICY: the server's policy forbids it",
      sent: wish + abort),
    Meddling(
      mode: "plain",
      words: "client flags: the server does not offer TLS, a server without fixed newstyle cannot",
      sent: binary("00000002")),
  ]

  // Rows: N-047, N-049, N-050, N-052
  @Test(arguments: stripping)
  func `sends nothing in the clear but the wish for TLS`(_ meddling: Meddling) throws {
    try play(meddling.mode) { sent, outcome in
      #expect(outcome.status == 77)
      #expect(outcome.errors.hasPrefix("nbdctl: \(meddling.words)"), "\(outcome.errors)")
      #expect(outcome.output == "")
      #expect(sent == meddling.sent)
    }
  }

  // Rows: N-051, N-052
  @Test(arguments: ["inject", "inject-record"])
  func `never takes what was put in before the handshake for a reply`(_ mode: String) throws {
    try play(mode) { sent, outcome in
      #expect(outcome.status == 77)
      #expect(outcome.errors == "nbdctl: TLS handshake: the peer does not speak TLS\n")
      #expect(outcome.output == "")
      #expect(sent.starts(with: Self.wish))
      #expect(isTLS(sent.dropFirst(Self.wish.count)))
      #expect(!sent.contains(Array(Self.name.utf8)))
    }
  }

  // What the others would show if the client were careless.
  @Test func `says the export's name under TLS only, where that is asked for`() throws {
    try play("forward") { sent, outcome in
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(sent.starts(with: Self.wish))
      #expect(isTLS(sent.dropFirst(Self.wish.count)))
      #expect(!sent.contains(Array(Self.name.utf8)))
    }
    try play("forward", commands: ["info"], inTheClear: true) { sent, outcome in
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(sent.contains(Array(Self.name.utf8)))
    }
  }

  /// Runs each command; gives what the client sent, and how it ended.
  private func play(
    _ mode: String, commands: [String] = ["info", "list", "map", "read"], inTheClear: Bool = false,
    _ judge: ([UInt8], Outcome) throws -> Void
  ) throws {
    try Workspace.run { workspace in
      try Certificates.make(in: workspace)
      let directory = workspace.file(Certificates.good)
      let server = try Server.nbdkit(
        "--tls=on", "--tls-certificates=\(directory)", "null", "size=1M", in: workspace)
      let script = #filePath.replacing("MeddlingTests.swift", with: "man_in_the_middle.py")
      let socket = workspace.file("man.sock")
      let man = try workspace.start([
        "python3", script, socket, workspace.file("nbdkit.sock"), workspace.file("record"), mode,
      ])
      try eventually("the man in the middle of \(server.address)") { man.output.contains("ready") }
      let path = "+unix:///\(Self.name)?socket=\(socket)"
      let uri = inTheClear ? "nbd\(path)" : "nbds\(path)&tls-hostname=good.example"
      for (index, command) in commands.enumerated() {
        let output = command == "read" ? ["--output", workspace.file("copy")] : []
        let trust = ["--tls-certificates", workspace.file("trust")]
        let outcome = try nbdctl([command, uri] + output + trust, workspace)
        try eventually("the end of the connection") {
          man.output.split(separator: "\n").contains("\(index)")
        }
        try judge(try File.bytes(of: workspace.file("record.\(index)")), outcome)
      }
    }
  }

  /// Whether bytes are whole records of TLS and nothing else, and at least one.
  private func isTLS(_ bytes: ArraySlice<UInt8>) -> Bool {
    var rest = bytes
    while rest.count >= 5 {
      let head = Array(rest.prefix(5))
      guard (20...23).contains(head[0]), head[1] == 3 else { return false }
      rest = rest.dropFirst(5 + Int(head[3]) << 8 + Int(head[4]))
    }
    return rest.isEmpty && !bytes.isEmpty
  }

  private static func binary(_ digits: String) -> [UInt8] {
    let digits = Array(digits.filter(\.isHexDigit))
    return stride(from: 0, to: digits.count, by: 2).compactMap {
      UInt8(String(digits[$0..<$0 + 2]), radix: 16)
    }
  }
}
