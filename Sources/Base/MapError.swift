// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Returns the value of an expression, and throws what `map` makes of its error.
///
/// For the border between two layers whose errors have different types:
/// `try mapError(try socket.receive(8), to: StreamError.init(socket:))`.
@inlinable
package func mapError<Value, From: Error, To: Error>(
  _ value: @autoclosure () throws(From) -> Value, to map: (From) -> To
) throws(To) -> Value {
  do throws(From) { return try value() } catch { throw map(error) }
}
