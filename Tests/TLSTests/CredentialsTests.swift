// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Linux
import Testing
import TLS

/// Files that are not what a session can be started with.
@Suite(.needsPeers, .timeLimit(.minutes(1))) struct CredentialsTests {
  private let folder: Folder

  init() throws {
    folder = try makeFolder()
    try folder.makeCertificate("client", usage: "clientAuth")
  }

  private func flaw(_ change: (inout Credentials.Settings) -> Void) throws -> CredentialsError? {
    do {
      _ = try credentials(folder) {
        $0.certificateFile = folder.path("client.pem")
        $0.keyFile = folder.path("client.key")
        change(&$0)
      }
      return nil
    } catch let error as CredentialsError {
      return error
    }
  }

  @Test(arguments: [0o640, 0o604, 0o660, 0o755, 0o620] as [mode_t])
  func `refuses a private key that others can get at`(mode: mode_t) throws {
    folder.chmod("client.key", mode)
    let file = folder.path("client.key")
    let error = try flaw { _ in }
    #expect(error == .tooOpen(file: file, mode: mode))
    #expect(
      error?.description
        == "\(file): mode 0\(String(mode, radix: 8)) lets other users read a secret; "
        + "make it 0600: chmod 600 \(file)")
  }

  @Test(arguments: ["client.key", "client.pem", "psk"])
  func `does not wait for a pipe in place of a file`(name: String) throws {
    let file = folder.path(name)
    unsafe unlink(file)
    try #require(unsafe mkfifo(file, 0o600) == 0)
    let error = try flaw {
      if name == "psk" { ($0.method, $0.pskFile) = (.preSharedKey, file) }
    }
    #expect(error?.description == "open \(file): not a regular file")
  }

  @Test(arguments: [0o600, 0o400, 0o700] as [mode_t])
  func `takes a private key that is its owner's only`(mode: mode_t) throws {
    folder.chmod("client.key", mode)
    #expect(try flaw { _ in } == nil)
  }

  @Test func `refuses pre-shared keys that others can get at`() throws {
    let file = try folder.write("alice:00ff00ff", to: "psk", mode: 0o644)
    let error = try flaw {
      $0.method = .preSharedKey
      $0.pskFile = file
    }
    #expect(error == .tooOpen(file: file, mode: 0o644))
  }

  @Test(.enabled(if: geteuid() == 0, "needs root, to give files away"))
  func `refuses a private key of another user`() throws {
    let file = folder.path("client.key")
    try #require(unsafe chown(file, 12345, 0) == 0)
    #expect(try flaw { _ in } == .foreignOwner(file: file, owner: 12345))
  }

  @Test func `names a file that is missing`() throws {
    let file = folder.path("nothing")
    let missing = CredentialsError.unreadable(file: file, SystemError("open \(file)", ENOENT))
    #expect(try flaw { $0.caFile = file } == missing)
    #expect(try flaw { $0.revocationFile = file } == missing)
    #expect(try flaw { $0.certificateFile = file } == missing)
    #expect(try flaw { $0.keyFile = file } == missing)
    #expect(missing.description == "open \(file): No such file or directory")
  }

  @Test func `names a file without what it is for`() throws {
    let file = try folder.write("nothing of the kind\n", to: "odd")
    for (part, error) in [
      (CredentialsError.Part.authorities, try flaw { $0.caFile = file }),
      (.revocations, try flaw { $0.revocationFile = file }),
      (.certificate, try flaw { $0.certificateFile = file }),
      (.key, try flaw { $0.keyFile = file }),
    ] {
      guard case .unusable(part, file, _) = error else {
        Issue.record("\(part): \(String(describing: error))")
        continue
      }
    }
  }

  @Test(arguments: [[], ["-traditional"]])
  func `says that a private key is encrypted`(form: [String]) throws {
    let file = folder.path("locked.key")
    try folder.openssl(
      ["ec", "-in", folder.path("client.key"), "-aes256", "-passout", "pass:x", "-out", file])
    if form.isEmpty {
      try folder.openssl([
        "pkcs8", "-topk8", "-in", folder.path("client.key"), "-passout", "pass:x", "-out", file,
      ])
    }
    folder.chmod("locked.key", 0o600)
    let error = try flaw { $0.keyFile = file }
    #expect(error == .encrypted(file: file))
    #expect(error?.description.contains("decrypt it: openssl pkey -in \(file) -out FILE") == true)
  }

  @Test func `refuses a key of another certificate`() throws {
    #expect(
      try flaw { $0.keyFile = folder.path("server.key") }
        == .mismatch(
          certificateFile: folder.path("client.pem"), keyFile: folder.path("server.key")))
  }

  @Test func `refuses its own certificate out of its time`() throws {
    try folder.makeCertificate("old", from: "20200101000000Z", until: "20200131000000Z")
    try folder.makeCertificate("early", from: "20490101000000Z", until: "20491231000000Z")
    let old = folder.path("old.pem")
    let early = folder.path("early.pem")
    #expect(
      try flaw { $0.certificateFile = old }?.description
        == "\(old): our own certificate expired on 2020-01-31 00:00:00 UTC")
    #expect(
      try flaw { $0.certificateFile = early }?.description
        == "\(early): our own certificate is not valid before 2049-01-01 00:00:00 UTC")
  }

  @Test func `wants certificate and key together`() throws {
    #expect(try flaw { $0.keyFile = nil } == .missing(.key))
    #expect(try flaw { $0.certificateFile = nil } == .missing(.certificate))
  }

  @Test(arguments: [nil, "", "."])
  func `wants a name to verify`(name: String?) throws {
    #expect(try flaw { $0.hostname = name } == .noHostName)
    let lax = try flaw {
      $0.hostname = name
      $0.verifyPeer = false
    }
    #expect(lax == nil)
  }

  @Test func `points at the flaw of a priority string`() throws {
    #expect(
      try flaw { $0.priority = "NORMAL:+NONSENSE" }
        == .priority("NORMAL:+NONSENSE", from: "+NONSENSE"))
    #expect(try flaw { $0.priority = "SECURE192" } == nil)
  }

  @Test(arguments: [
    ("alice:00ff00ff\nbob:01010101", "alice", nil),
    ("\n# alice:zz\r\nalice:00FF00FF\r\n", nil, nil),
    ("a:b:00ff00ff", "a:b", nil),
    (
      "alice:00ff00ff\nbob:01010101", nil,
      "pre-shared keys of several users; put the user in the URI (nbds://USER@HOST/)"
    ),
    ("alice:00ff00ff", "carol", "no pre-shared key for user 'carol'"),
    (
      "alice:00ff00ff\nbob", "alice",
      "line 2 is not USER:KEY with a hexadecimal key of 4 bytes or more"
    ),
    ("alice:00ff00f", nil, "line 1 is not USER:KEY with a hexadecimal key of 4 bytes or more"),
    ("alice:00ff00", nil, "line 1 is not USER:KEY with a hexadecimal key of 4 bytes or more"),
    ("alice:", nil, "line 1 is not USER:KEY with a hexadecimal key of 4 bytes or more"),
    (":00ff00ff", nil, "line 1 is not USER:KEY with a hexadecimal key of 4 bytes or more"),
    ("alice:00ff00fg", nil, "line 1 is not USER:KEY with a hexadecimal key of 4 bytes or more"),
    ("\u{feff}alice:00ff00ff\n", "alice", nil),
    ("bob:01010101\n#616c696365:00ff00ff\n", "alice", nil),
    ("#616c69636:00ff00ff\n#ffff:00ff00ff\n#alice:00ff00ff\nbob:01010101\n", nil, nil),
    ("# nobody\n", nil, "no usable pre-shared keys: the file has none"),
  ])
  func `finds a pre-shared key`(text: String, user: String?, complaint: String?) throws {
    let file = try folder.write(text, to: "psk")
    let error = try flaw {
      $0.method = .preSharedKey
      $0.pskFile = file
      $0.user = user
    }
    #expect(error?.description == complaint.map { "\(file): \($0)" })
  }
}
