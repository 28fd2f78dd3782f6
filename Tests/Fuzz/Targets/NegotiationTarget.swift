// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import NBD

/// The input is what a server says to a client that wishes for everything.
func check(_ input: [UInt8]) {
  var request = ExportRequest("disk")
  request.details = true
  request.security = .opportunistic
  request.structuredReplies = true
  request.extendedHeaders = true
  request.contexts = [MetadataContext.allocation, "qemu:dirty-bitmap:b0"]
  do {
    let terms = try negotiate(request, over: InputStream(input))
    precondition(terms.export.sizeBytes <= UInt64(Int64.max), "a size that no offset reaches")
    precondition(terms.contexts.isEmpty || terms.replies != .simple, "contexts without chunks")
    precondition(Set(terms.contexts.map(\.id)).count == terms.contexts.count, "an id for two")
    if let sizes = terms.export.blockSizes {
      let (rest, most) = (
        terms.export.sizeBytes % UInt64(sizes.minimum), terms.export.largestPayload
      )
      precondition(rest == 0 && most > 0, "an export that cannot be read to its end")
    }
  } catch {
    precondition(!error.description.isEmpty, "a failure without words")
  }
}
