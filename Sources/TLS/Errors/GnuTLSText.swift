// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import CGnuTLS

/// Returns GnuTLS's text for one of its error numbers.
func reason(_ code: CInt) -> String {
  unsafe gnutls_strerror(code).map { unsafe String(cString: $0) } ?? "error \(code)"
}

/// Passes bytes to a function of GnuTLS, which only reads them.
func withDatum<Result>(
  _ bytes: [UInt8], _ body: (UnsafePointer<gnutls_datum_t>) -> Result
) -> Result {
  var bytes = bytes
  return unsafe bytes.withUnsafeMutableBufferPointer { buffer in
    var datum = unsafe gnutls_datum_t(data: buffer.baseAddress, size: UInt32(buffer.count))
    return unsafe body(&datum)
  }
}

/// Returns text that a function of GnuTLS writes into a buffer, given and returning its size.
///
/// Nil if there is no such text, or if it is absurdly long.
func text(
  _ body: (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int>) -> CInt
) -> [UInt8]? {
  var room = [CChar](repeating: 0, count: 4096)
  var size = room.count
  let code = unsafe room.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress, &size) }
  return code < 0 ? nil : room.prefix(size).map(UInt8.init(bitPattern:))
}
