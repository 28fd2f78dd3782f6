// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import Linux

/// nbdd-keeper: holds what must outlive nbdd, and does nothing with it.
///
/// It is started with a listening socket as descriptor 3, by systemd or by nbdd.
@main
enum Main {
  static func main() {
    if Arguments.all.count > 1 {
      StandardStream.output.print(
        "nbdd-keeper keeps the devices of nbdd while nbdd is being restarted.\n"
          + "It is started by systemd (nbdd-keeper.socket) or by nbdd, and takes no arguments.\n")
      return
    }
    MemoryPressure.prepare()
    do throws(SystemError) {
      let keeper = try Keeper(Descriptor.inherited(3))
      try keeper.run()
    } catch {
      StandardStream.error.print("nbdd-keeper: \(error)\n")
    }
  }
}
