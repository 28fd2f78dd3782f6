// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Daemon

/// The program: everything is in `Daemon`.
@main
enum Main {
  static func main() { Program.main() }
}
