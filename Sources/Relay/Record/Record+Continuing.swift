// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Linux

extension Record {
  /// The Record from which to continue with a device of which an earlier nbdd has left its Record or a neutral form.
  ///
  /// A neutral form is copied into a new Record, and `replace` has to put that into the place of the form before
  /// anything else happens: wherever this is cut off, one of the two says everything. `sockets` are those of the
  /// device. A Record remains as it is.
  package static func continuing(
    _ left: Descriptor, named name: String, _ sockets: [SocketPair],
    replacing replace: (Descriptor) throws(Flaw) -> Void
  ) throws(Flaw) -> Record {
    guard let form = try NeutralForm(opening: left) else { return try Record(opening: left) }
    guard form.fence.tryLock() else { throw .isTaken }
    defer { form.fence.unlock() }
    guard !form.isTaken else { throw .isTaken }
    let record = try form.record(named: name, sockets)
    try replace(record.file.descriptor)
    form.isTaken = true
    return record
  }
}
