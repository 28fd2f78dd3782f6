// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Glibc
import Linux
import Testing
import TestSupport

/// A temporary folder with the certificates and keys of a test.
final class Folder {
  private let directory: TemporaryDirectory
  private var count = 0

  init() throws {
    directory = try TemporaryDirectory()
  }

  func path(_ name: String) -> String { "\(directory.path)/\(name)" }

  func next() -> Int {
    count += 1
    return count
  }

  func write(_ text: String, to name: String, mode: mode_t = 0o600) throws -> String {
    let file = try Descriptor.open(path(name), O_WRONLY | O_CREAT | O_TRUNC)
    unsafe Glibc.write(file.number, text, text.utf8.count)
    chmod(name, mode)
    return path(name)
  }

  func chmod(_ name: String, _ mode: mode_t) {
    unsafe Glibc.chmod(path(name), mode)
  }

  /// Makes NAME.pem and NAME.key: a CA, signed by itself.
  func makeAuthority(_ name: String) throws {
    try openssl(
      ["req", "-x509", "-days", "2", "-subj", "/O=Test/CN=\(name)"] + newKey(name)
        + ["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", path("\(name).pem")])
  }

  /// Makes NAME.pem and NAME.key, signed by a CA, or by itself.
  func makeCertificate(
    _ name: String, for names: String = "DNS:good.example", by authority: String? = "ca",
    usage: String = "serverAuth", digest: String = "sha256", and extensions: [String] = []
  ) throws {
    try openssl(
      ["req", "-x509", "-days", "2", "-subj", "/CN=\(name)", "-\(digest)"] + newKey(name)
        + (authority.map { ["-CA", path("\($0).pem"), "-CAkey", path("\($0).key")] } ?? [])
        + [
          "-addext", "subjectAltName=\(names)", "-addext", "extendedKeyUsage=\(usage)",
          "-addext", "basicConstraints=critical,CA:FALSE", "-out", path("\(name).pem"),
        ] + extensions.flatMap { ["-addext", $0] })
  }

  /// Makes NAME.pem and NAME.key, valid from and until moments like "20200131000000Z".
  func makeCertificate(_ name: String, from start: String, until end: String) throws {
    let settings = try register()
    try openssl(
      ["req", "-new", "-subj", "/CN=\(name)"] + newKey(name) + ["-out", path("\(name).csr")])
    try openssl([
      "ca", "-batch", "-notext", "-config", settings, "-cert", path("ca.pem"),
      "-keyfile", path("ca.key"), "-startdate", start, "-enddate", end,
      "-in", path("\(name).csr"), "-out", path("\(name).pem"),
    ])
  }

  /// Makes NAME.pem, the list of the one certificate that a CA has revoked.
  func makeRevocationList(_ name: String, of certificate: String, by authority: String) throws {
    let settings = try register()
    let ca = [
      "ca", "-config", settings, "-cert", path("\(authority).pem"),
      "-keyfile", path("\(authority).key"),
    ]
    try openssl(ca + ["-revoke", path("\(certificate).pem")])
    try openssl(ca + ["-gencrl", "-crldays", "2", "-out", path("\(name).pem")])
  }

  /// Settings for `openssl ca`, with an empty register.
  private func register() throws -> String {
    _ = try write("", to: "index")
    _ = try write("01", to: "serial")
    return try write(
      """
      [ca]
      default_ca = any
      [any]
      database = \(path("index"))
      serial = \(path("serial"))
      new_certs_dir = \(directory.path)
      default_md = sha256
      policy = policy
      x509_extensions = extensions
      [policy]
      commonName = supplied
      [extensions]
      subjectAltName = DNS:good.example
      """, to: "openssl.cnf")
  }

  private func newKey(_ name: String) -> [String] {
    [
      "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
      "-keyout", path("\(name).key"),
    ]
  }

  func openssl(_ arguments: [String]) throws {
    let result = try ChildProcess.run(["openssl"] + arguments, within: .seconds(60))
    try #require(result.status == 0, "\(result.output)")
  }
}

/// Programs of the system that the tests need.
enum Tool {
  static let python = has(["python3", "-c", "import ssl"])
  static let openssl = has(["openssl", "version"])

  private static func has(_ command: [String]) -> Bool {
    (try? ChildProcess.run(command, within: .seconds(60)))?.status == 0
  }
}

extension Trait where Self == ConditionTrait {
  /// What every test with a peer needs.
  static var needsPeers: Self {
    .enabled(
      if: Tool.openssl && Tool.python,
      "needs openssl and python3 with its module ssl: apt-get install openssl python3")
  }
}
