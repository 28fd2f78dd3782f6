// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import Linux

/// A number of bytes on the command line: 4096, 64KiB, 8MiB, 2GiB.
struct ByteCount: ExpressibleByArgument {
  var bytes: UInt64

  init?(argument: String) {
    guard let bytes = Quantities.size(argument).map(UInt64.init) ?? UInt64(argument) else {
      return nil
    }
    self.bytes = bytes
  }
}
