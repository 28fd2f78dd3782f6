// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Testing
import Varlink

@testable import nbdctl

/// What nbdtab(5) says becomes device files, with a warning for whatever they cannot say.
struct NbdtabTests {
  /// The device files as text, or why there is none.
  private func imported(_ text: String) -> [String] {
    var names: Set<String> = []
    return Nbdtab(text).records.map { record in
      do throws(ImportError) {
        let device = try record.settings.get().imported(besides: names)
        names.insert(device.name)
        return "\(device.name) \(device.file.text)"
      } catch {
        return "\(record.line): \(error.message)"
      }
    }
  }

  /// The warnings about the only record.
  private func warnings(_ text: String) throws -> [String] {
    let record = try #require(Nbdtab(text).records.first)
    return try record.warnings + record.settings.get().imported(besides: []).warnings
  }

  private func file(_ uri: String, _ device: Int = 0, _ rest: String = "") -> String {
    #"{"uri":"\#(uri)","device":"nbd\#(device)","autoAttach":false\#(rest)}"#
  }

  @Test(
    "a record becomes a device file",
    arguments: [
      ("nbd0 127.0.0.1 foo", "foo", "nbd://127.0.0.1:10809/foo", ""),
      ("/dev/nbd0 storage.example.com db", "db", "nbd://storage.example.com:10809/db", ""),
      ("nbd0 2001:db8::1 foo", "foo", "nbd://[2001:db8::1]:10809/foo", ""),
      ("nbd0\thost\t \tfoo\tport=10810", "foo", "nbd://host:10810/foo", ""),
      ("nbd0 /run/x/s.sock foo unix", "foo", "nbd+unix:///foo?socket=/run/x/s.sock", ""),
      (
        "nbd0 host pool/db conns=4,timeout=30", "nbd0", "nbd://host:10809/pool/db",
        #","connections":4,"requestTimeout":"30s""#
      ),
      (
        "nbd0 host foo dead-timeout=60,timeout=0", "foo", "nbd://host:10809/foo",
        #","giveUpAfter":"60s""#
      ),
      ("nbd0 host foo persist,no_optgo,_netdev=x", "foo", "nbd://host:10809/foo", ""),
      ("nbd0 host foo#bar", "nbd0", "nbd://host:10809/foo%23bar", ""),
      ("nbd0 host foo tls", "foo", "nbds://host:10809/foo", ""),
      (
        "nbd0 host foo cacertfile=/a/ca.pem,tlshostname=other", "foo", "nbds://host:10809/foo",
        #","tlsCertificates":"/etc/nbdd/tls/foo","tlsHostname":"other""#
      ),
    ])
  func records(line: String, name: String, uri: String, rest: String) {
    #expect(imported(line) == ["\(name) \(file(uri, 0, rest))"])
    #expect(imported(line + "\n") == ["\(name) \(file(uri, 0, rest))"])
  }

  @Test("a second record has the usual port too, whatever stands before it")
  func portOfLaterRecords() {
    let text = "# comment\n\nnbd7 a one port=1\n  # another\nnbd1 b two\nnbd2 c one\n"
    #expect(
      imported(text) == [
        "one \(file("nbd://a:1/one", 7))", "two \(file("nbd://b:10809/two", 1))",
        "nbd2 \(file("nbd://c:10809/one", 2))",
      ])
  }

  @Test(
    "what cannot be imported is named with its line",
    arguments: [
      ("nbd0 host", "expected a device, a server and an export; there are 2 words"),
      ("sda host foo", "sda is not a device of the nbd driver, such as nbd0"),
      ("nbd0p1 host foo", "nbd0p1 is not a device of the nbd driver, such as nbd0"),
      ("nbd0 host foo preinit", "preinit: nbdd always negotiates with the server"),
      ("nbd0 host foo port=http", "port http: expected a number from 1 to 65535"),
      ("nbd0 host foo port=0", "port 0: expected a number from 1 to 65535"),
      ("nbd0 host foo port=", "port has no value"),
      ("nbd0 host foo timeout", "timeout has no value"),
      ("nbd0 host foo unix=yes", "unix takes no value"),
      ("nbd0 host foo conns=x", "conns x: expected a number above 0"),
      ("nbd0 host foo timeout=1m", "timeout 1m: expected a number of seconds, at most a day"),
      ("nbd0 run/sock foo unix", "run/sock: the path of a socket has to begin with a slash"),
      ("nbd0 host,x foo", "host,x: nbdtab has no way to write a comma or an equals sign there"),
    ])
  func refused(line: String, message: String) {
    #expect(imported("\n\(line)") == ["2: \(message)"])
  }

  @Test("the first record of a device counts")
  func twice() {
    #expect(
      imported("nbd0 a foo\n/dev/nbd0 b bar\n") == [
        "foo \(file("nbd://a:10809/foo"))",
        "2: /dev/nbd0 has an earlier line, which is the one that counts",
      ])
  }

  @Test(
    "what nbd-client reads in another way gets a warning",
    arguments: [
      (" nbd0 host foo", "nbd-client refuses a line that begins with blanks"),
      ("nbd0 host foo \t", "nbd-client refuses a line that ends in blanks"),
      ("nbd0 host foo # bar", "nbd-client joins the next line to one that ends in a comment"),
      (
        "nbd0 host foo\r\n",
        "it ends in a carriage return, which nbd-client takes for a part of the last word"
      ),
      ("nbd0 host foo port=1, conns=2", "options have blanks between them"),
      ("nbd0 host foo compress", "the option compress is unknown, and left out"),
      (
        "nbd0 host foo bs=4096",
        "the block size 4096 is left out: nbdd takes what the server asks for"
      ),
      (
        "nbd0 host foo swap",
        "swap is left out: nbdd always locks what it needs into memory; declare the swap itself in fstab"
      ),
      ("nbd0 host foo conns=40", "40 connections become 16, the most that nbdd makes"),
      (
        "nbd0 host foo tls",
        "nbd-client did not verify the server; nbdd does, by the system's CAs"
      ),
    ])
  func warned(line: String, warning: String) throws {
    #expect(try warnings(line) == [warning])
  }

  @Test("credentials are put where nbdd looks for them; a key alone is the certificate too")
  func credentials() throws {
    #expect(
      try warnings("nbd0 host foo keyfile=/k.pem,cacertfile=/ca.pem,priority=NORMAL") == [
        "put the credentials in place: install -D -m 600 /ca.pem /etc/nbdd/tls/foo/ca-cert.pem; "
          + "install -D -m 600 /k.pem /etc/nbdd/tls/foo/client-cert.pem; "
          + "install -D -m 600 /k.pem /etc/nbdd/tls/foo/client-key.pem",
        "the priority NORMAL is left out: nbdd uses TLS 1.2 and newer with GnuTLS's defaults",
      ])
    #expect(
      try warnings("nbd0 /s.sock foo unix,cacertfile=/ca.pem").last
        == "nbd-client did not verify the server; nbdd does, by that CA: set tlsHostname to the name in the server's certificate"
    )
  }

  @Test("an empty file has no records", arguments: ["", "\n", "# nothing", "#\n\n \n"])
  func empty(text: String) {
    #expect(Nbdtab(text).records.isEmpty)
  }

  @Test(
    "a command line of nbd-client is read as nbd-client does",
    arguments: [
      ("host /dev/nbd0 -N foo", "nbd://host:10809/foo", ""),
      ("-L -N foo host 10810 /dev/nbd0", "nbd://host:10810/foo", ""),
      (
        "-unix /run/s.sock /dev/nbd0 -name foo -readonly", "nbd+unix:///foo?socket=/run/s.sock",
        #","readOnly":true"#
      ),
      ("--unix /run/s.sock -N foo /dev/nbd0", "nbd+unix:///foo?socket=/run/s.sock", ""),
      (
        "-conn 2 -t 5 -N foo host nbd0", "nbd://host:10809/foo",
        #","connections":2,"requestTimeout":"5s""#
      ),
      ("host nbd0 bs=512 timeout=9 -Nfoo", "nbd://host:10809/foo", #","requestTimeout":"9s""#),
      ("--enable-tls --name=foo host nbd0", "nbds://host:10809/foo", ""),
    ])
  func commandLine(line: String, uri: String, rest: String) throws {
    let arguments = line.split(separator: " ").map(String.init)
    let device = try NbdClientSettings(arguments: arguments, device: "/dev/nbd0")
      .imported(besides: [])
    #expect(device.file.text == file(uri, 0, rest))
  }

  @Test("a command line that says too little")
  func noServer() {
    #expect(
      throws: ImportError("its command line names no server; is the device in /etc/nbdtab?")
    ) { try NbdClientSettings(arguments: ["nbd0"], device: "/dev/nbd0") }
  }
}
