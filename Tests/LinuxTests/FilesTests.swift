// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import Base
import Glibc
import Linux
import Testing
import TestSupport

/// Small files and directories.
@Suite(.timeLimit(.minutes(1)))
struct FilesTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  @Test func `reads a file to its end`() throws {
    let text = String(repeating: "0123456789\n", count: 10_000)
    let path = try directory.write(text, to: "file")
    #expect(File.contents(of: path) == text)
    #expect(try File.bytes(of: path) == Array(text.utf8))
  }

  @Test func `a file of exactly the limit is read, one byte more is an error`() throws {
    let path = try directory.write(String(repeating: "x", count: 1000), to: "file")
    #expect(try File.bytes(of: path, limit: 1000).count == 1000)
    #expect(throws: SystemError("read \(path)", EFBIG)) { try File.bytes(of: path, limit: 999) }
  }

  @Test func `a directory, and what does not exist, cannot be read as a file`() throws {
    let path = directory.path
    #expect(throws: SystemError("open \(path)", EISDIR)) { try File.bytes(of: path) }
    #expect(File.contents(of: "\(path)/missing") == nil)
  }

  @Test func `what is no file is not opened, and does not make anybody wait`() throws {
    let path = "\(directory.path)/pipe"
    try #require(unsafe mkfifo(path, 0o600) == 0)
    // One that somebody holds and never writes to.
    let holder = try Descriptor.open(path, O_RDWR)
    for path in [path, "/dev/zero", "/dev/ptmx"] {
      let error = SystemError("open \(path)", SystemError.notAFile)
      #expect(throws: error) { try File.bytes(of: path) }
      #expect(error.description == "open \(path): not a regular file")
    }
    withExtendedLifetime(holder) {}
  }

  @Test func `names what is in a directory`() throws {
    for name in ["a", ".hidden", "ü b", String(repeating: "n", count: 255)] {
      try directory.write("", to: name)
    }
    let expected = [".hidden", "a", String(repeating: "n", count: 255), "ü b"]
    #expect(Directory.names(in: directory.path).sorted() == expected)
    #expect(Directory.names(in: "\(directory.path)/missing") == [])
  }

  @Test func `makes a directory and all above it, and is content with what exists`() throws {
    let path = "\(directory.path)/a/b//c"
    try Directory.create(path)
    try Directory.create(path)
    try Directory.create(path + "/")
    #expect(Directory.names(in: "\(directory.path)/a") == ["b"])
    #expect(Directory.names(in: "\(directory.path)/a/b") == ["c"])
    try Directory.create("/")
  }

  @Test func `does not take a file for a directory`() throws {
    let path = try directory.write("", to: "file")
    #expect(throws: SystemError("mkdir \(path)/below", ENOTDIR)) {
      try Directory.create("\(path)/below")
    }
  }

  @Test func `removes a file, and does not mind if it has gone`() throws {
    let path = try directory.write("", to: "file")
    File.remove(path)
    #expect(Directory.names(in: directory.path) == [])
    File.remove(path)
  }

  @Test func `an open file has an identity, a closed one has none`() throws {
    let path = try directory.write("", to: "file")
    let (one, other) = (
      try Descriptor.open(path, O_RDONLY), try Descriptor.open(path, O_RDONLY)
    )
    var status = stat()
    try #require(unsafe stat(path, &status) == 0)
    #expect(File.identity(of: one.number) == "\(status.st_dev):\(status.st_ino)")
    #expect(File.identity(of: one.number) == File.identity(of: other.number))
    #expect(File.identity(of: -1) == nil)
  }

  @Test func `tells the value of an environment variable`() {
    #expect(Environment["PATH"]?.isEmpty == false)
    #expect(Environment["NBDD_HAS_NO_SUCH_VARIABLE"] == nil)
  }
}
