// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD

/// The input is what a server says to clients that list its exports, or look at one.
func check(_ input: [UInt8]) {
  do {
    for export in try listExports(security: .opportunistic, over: InputStream(input)) {
      _ = (export.name, export.description)
      if case .failure(let error) = export.information {
        precondition(!error.description.isEmpty, "a failure without words")
      }
    }
  } catch {
    precondition(!error.description.isEmpty, "a failure without words")
  }
  // One that wants extended headers, and one that gets along without block sizes.
  for wishes in [true, false] {
    var request = ExportRequest("disk")
    request.details = wishes
    request.extendedHeaders = wishes
    request.keepsBlockSizes = wishes
    do {
      let described = try describe(request, over: InputStream(input))
      precondition(described.export.sizeBytes <= UInt64(Int64.max), "a size no offset reaches")
    } catch {
      precondition(!error.description.isEmpty, "a failure without words")
    }
  }
}
