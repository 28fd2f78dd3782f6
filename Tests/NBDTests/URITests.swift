// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD
import Testing

/// What a URI says, and what it must not say.
struct URITests {
  static let targets: [(String, URI.Transport, String)] = [
    // U-001, U-004, U-007
    ("nbd://h", .tcp(host: "h", port: 10809), ""),
    ("NBD://h/", .tcp(host: "h", port: 10809), ""),
    ("nbd://h:/", .tcp(host: "h", port: 10809), ""),
    ("nbd://h:65535/", .tcp(host: "h", port: 65535), ""),
    ("nbd:///x", .tcp(host: "localhost", port: 10809), "x"),
    ("nbd://:1/x", .tcp(host: "localhost", port: 1), "x"),
    // U-005
    ("nbd://[::1]:10810/", .tcp(host: "::1", port: 10810), ""),
    ("nbd://[fe80::1%25eth0]/", .tcp(host: "fe80::1%eth0", port: 10809), ""),
    ("nbd://192.0.2.1", .tcp(host: "192.0.2.1", port: 10809), ""),
    // U-009, U-020
    ("nbd://h//disk", .tcp(host: "h", port: 10809), "/disk"),
    ("nbd://h/hello%20world", .tcp(host: "h", port: 10809), "hello world"),
    ("nbd://h/a+b/c", .tcp(host: "h", port: 10809), "a+b/c"),
    ("nbd://h/%C3%A9", .tcp(host: "h", port: 10809), "é"),
    // U-001, U-008, U-011, U-012
    ("nbd+unix:///?socket=/run/s", .unix(path: Array("/run/s".utf8)), ""),
    ("nbd+unix:///a/b?socket=s%26t", .unix(path: Array("s&t".utf8)), "a/b"),
    ("nbd+unix:///?socket=%00/abstract", .unix(path: Array("\0/abstract".utf8)), ""),
    ("nbds+unix://alice@/?socket=s", .unix(path: Array("s".utf8)), ""),
    ("nbd+unix://?socket=%ff", .unix(path: [0xff]), ""),
    // U-022
    ("nbd+vsock://2/x", .vsock(cid: 2, port: 10809), "x"),
    ("nbds+vsock://4294967295:4294967294", .vsock(cid: .max, port: .max - 1), ""),
  ]

  // Rows: U-001, U-004, U-005, U-007, U-008, U-009, U-011, U-012, U-020, U-022, U-024
  @Test(arguments: targets)
  func `names a target`(text: String, transport: URI.Transport, export: String) throws {
    let uri = try URI(parsing: text)
    #expect(uri.transport == transport)
    #expect(uri.exportName == export)
    #expect((uri.tls != nil) == text.lowercased().hasPrefix("nbds"))
    #expect(try URI(parsing: uri.description) == uri)
  }

  // Rows: U-001, U-003, U-006, U-014, U-015, U-016
  @Test func `says how to secure the connection`() throws {
    #expect(try URI(parsing: "nbd://h").tls == nil)
    #expect(try URI(parsing: "nbds://h").tls == URI.TLS())
    let uri = try URI(
      parsing: "nbds://al%20ice@h/?tls-type=x509&tls-hostname=good&tls-verify-peer=0")
    #expect(uri.tls?.user == "al ice")
    #expect(uri.tls?.type == .x509)
    #expect(uri.tls?.hostname == "good")
    #expect(uri.tls?.verifyPeer == false)
    #expect(try URI(parsing: "nbds://h?tls-verify-peer=1").tls?.verifyPeer == true)
    #expect(try URI(parsing: "nbds://h?tls-type=anon").tls?.type == .anonymous)
    #expect(try URI(parsing: "nbds://h?tls-type=psk").tls?.type == .psk)
  }

  // Rows: U-017
  @Test func `names local files only where that is allowed`() throws {
    for key in ["tls-psk-file", "tls-certificates"] {
      let text = "nbds://h/?\(key)=/x"
      #expect(throws: URIError.self) { try URI(parsing: text) }
      let uri = try URI(parsing: text, allowing: [.tcp, .tls, .localFiles])
      #expect((uri.tls?.pskFile ?? uri.tls?.certificates) == "/x")
      #expect(uri.description == "nbds://h:10809/?\(key)=/x")
    }
  }

  // Rows: U-018
  @Test func `keeps parameters meant for others`() throws {
    let uri = try URI(parsing: "nbd://h/?x-foo=1&x-bar=a%26b")
    #expect(uri.extensions == ["x-foo": "1", "x-bar": "a&b"])
    #expect(uri.description == "nbd://h:10809/?x-bar=a%26b&x-foo=1")
  }

  // Rows: U-023
  @Test(
    arguments: [
      ("nbd://h", [.unix, .plain]), ("nbd+unix:///?socket=s", [.tcp, .plain]),
      ("nbd+vsock://2", [.tcp, .unix, .plain]), ("nbd://h", [.tcp, .tls]),
      ("nbds://h", [.tcp, .plain]),
    ] as [(String, URI.Permissions)])
  func `obeys its caller's policy`(text: String, allowed: URI.Permissions) throws {
    #expect(throws: URIError.self) { try URI(parsing: text, allowing: allowed) }
    _ = try URI(parsing: text)
  }

  /// What people write in place of a URI, and the one that they mean.
  static let otherForms: [(String, String?)] = [
    ("/run/a b.sock", "nbd+unix:///?socket=/run/a%20b.sock"),
    ("10.0.0.7:10810", "nbd://10.0.0.7:10810/"), ("host:10810/disk", "nbd://host:10810/disk"),
    ("[2001:db8::1]:10810", "nbd://[2001:db8::1]:10810/"),
    ("nbd:unix:/run/s", "nbd+unix:///?socket=/run/s"),
    ("nbd:unix:/run/s:exportname=disk", "nbd+unix:///disk?socket=/run/s"),
    ("nbd:host:10810", "nbd://host:10810/"),
    ("nbd:host:10810:exportname=a/b", "nbd://host:10810/a/b"),
    ("host", nil), ("host:nbd", nil), ("::1:10810", nil), ("nbd:", nil), ("", nil),
    ("/\(String(repeating: "s", count: 200))", nil),
  ]

  @Test(arguments: otherForms)
  func `is suggested for what people write in its place`(text: String, meant: String?) {
    let error = #expect(throws: URIError.self) { try URI(parsing: text) }
    #expect(error?.suggestion == meant)
    let question = meant.map { "; did you mean \($0)?" } ?? ""
    #expect(
      error?.description.hasSuffix("(at character \(error?.position ?? -1))\(question)") == true)
  }

  @Test(arguments: [
    ("nbd://2001:db8::1/", "an IPv6 address stands in brackets, as in nbd://[2001:db8::1]:10809/"),
    ("nbd://fe80::1%eth0/", "an IPv6 address stands in brackets, as in nbd://[2001:db8::1]:10809/"),
    ("nbd://[fe80::1%eth0]/", "the zone of an address stands behind %25, as in [fe80::1%25eth0]"),
  ])
  func `says how an address is written`(text: String, message: String) {
    #expect(#expect(throws: URIError.self) { try URI(parsing: text) }?.message == message)
  }

  static let errors: [(String, Int)] = [
    // U-001, U-021
    ("http://x", 0), ("h", 1), ("nbd:h", 3), ("", 0), ("nbd+tcp://h", 0), ("nbd://h/x#y", 9),
    // U-004, U-022
    ("nbd://h:0", 8), ("nbd://h:65536", 8), ("nbd://h:+1", 8), ("nbd://h:1a", 8),
    ("nbd+vsock:///", 12), ("nbd+vsock://host/", 12), ("nbd+vsock://2:4294967296/", 14),
    // U-005
    ("nbd://::1/", 6), ("nbd://[::1/", 6), ("nbd://[::1]x/", 6), ("nbd://[]/", 6),
    ("nbd://[v1.x]/", 6), ("nbd://[::g]/", 6), ("nbd://[::1%eth0]/", 10), ("nbd://a%3Ab/", 6),
    // U-006, U-008
    ("nbds://alice:secret@h/", 12), ("nbd://alice@h/", 6), ("nbd+unix://h/?socket=s", 11),
    ("nbd+unix://:1/?socket=s", 11), ("nbds+unix://a@h/?socket=s", 14),
    // U-010, U-020
    ("nbd://h/a%00b", 7), ("nbd://h/%ff", 7), ("nbd://h/%zz", 8), ("nbd://h/%+f", 8),
    ("nbd://h/a%2", 9),
    ("nbd://h/a b", 9), ("nbd://h/a\u{1}b", 9), ("nbd://h/é", 8), ("nbd://h h/", 7),
    // U-011 to U-013
    ("nbd+unix:///", 12), ("nbd://h/?socket=s", 16), ("nbd+unix:///?socket=", 20),
    ("nbd+unix:///?socket=a%00", 20),
    ("nbd+unix:///?socket=\(String(repeating: "s", count: 108))", 20),
    // U-014, U-016, U-018, U-019
    ("nbds://h?tls-type=foo", 18), ("nbds://h?tls-verify-peer=no", 25),
    ("nbd://h?tls-type=psk", 17),
    ("nbds://h?tls-hostname=", 22), ("nbd://h?foo=1", 8), ("nbd://h?foo", 8), ("nbd://h?=1", 8),
    ("nbd+unix:///?socket=a&socket=b", 22), ("nbd://h?x-a=1&x-a=1", 14),
  ]

  // Rows: U-001, U-004, U-005, U-006, U-008, U-010, U-011, U-013, U-014, U-016, U-018, U-019, U-020
  // Rows: U-021, U-022
  @Test(arguments: errors)
  func `is refused at the place of its error`(text: String, position: Int) {
    let error = #expect(throws: URIError.self) { try URI(parsing: text) }
    #expect(error?.position == position)
  }

  // The longest that fit.
  // Rows: U-013
  @Test func `takes the longest socket path`() throws {
    let path = String(repeating: "s", count: 107)
    for value in [path, "%00" + path] {
      let uri = try URI(parsing: "nbd+unix:///?socket=\(value)")
      #expect(try URI(parsing: uri.description) == uri)
    }
  }

  // What may be secret is not repeated.
  // Rows: U-006
  @Test func `does not repeat a password`() {
    let error = #expect(throws: URIError.self) { try URI(parsing: "nbds://alice:secret@h/") }
    #expect(error?.description == "a password cannot stand in an NBD URI (at character 12)")
  }

  // Rows: U-024
  @Test(arguments: [
    ("NBDS://%61lice@[::1]/a%2fb%3Fc", "nbds://alice@[::1]:10809/a/b%3fc"),
    ("nbds://a%3ab%2f@h//x", "nbds://a%3ab%2f@h:10809//x"),
    ("nbd+unix:///?socket=%00a", "nbd+unix:///?socket=%00a"),
    ("nbd://[fe80::1%25eth0]", "nbd://[fe80::1%25eth0]:10809/"),
    ("nbds://h?tls-verify-peer=1&tls-type=psk", "nbds://h:10809/?tls-type=psk"),
  ])
  func `is printed so that it parses back`(text: String, printed: String) throws {
    #expect(try URI(parsing: text).description == printed)
    #expect(try URI(parsing: printed) == URI(parsing: text))
  }
}
