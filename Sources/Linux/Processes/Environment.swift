// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Glibc

/// The environment that the process was started with.
package enum Environment {
  /// The value of a variable, nil if it is not set.
  ///
  /// The corresponding C function is `getenv`.
  package static subscript(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }
}
