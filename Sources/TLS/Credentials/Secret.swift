// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Glibc
internal import Linux

/// Reads a file that contains no secret.
func publicBytes(of path: String) throws(CredentialsError) -> [UInt8] {
  try mapError(try File.bytes(of: path), to: unreadable(path))
}

/// Reads a file that only root and the effective user may read or change.
///
/// As with ssh, a file that is accessible to others is refused.
func secretBytes(of path: String) throws(CredentialsError) -> [UInt8] {
  // Checked and read through one descriptor, so that the file cannot be replaced in between.
  let file = try mapError(try Descriptor.openFile(path), to: unreadable(path))
  var status = stat()
  _ = try mapError(
    try check("fstat \(path)") { unsafe fstat(file.number, &status) }, to: unreadable(path))
  guard status.st_uid == 0 || status.st_uid == geteuid() else {
    throw .foreignOwner(file: path, owner: status.st_uid)
  }
  guard status.st_mode & 0o077 == 0 else {
    throw .tooOpen(file: path, mode: status.st_mode & 0o7777)
  }
  return try mapError(try File.bytes(in: file, named: path), to: unreadable(path))
}

private func unreadable(_ path: String) -> (SystemError) -> CredentialsError {
  { .unreadable(file: path, $0) }
}
