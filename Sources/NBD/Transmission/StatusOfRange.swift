// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Block status of a range of any size.
extension Transmission {
  /// Queries the status of a range; `sink` gets the extents of each context in order, cut to the range,
  /// and returns whether it wants more.
  ///
  /// A short reply is followed by another request, from the first byte that it left out (T-077), as long
  /// as that makes progress. If no context was negotiated, everything is data (T-079).
  package func blockStatus(
    offset: UInt64, length: UInt64, into sink: (MetadataContext, Extent) -> Bool
  ) throws(TransmissionError) {
    let whole = Request(.blockStatus, offset: offset, length: length)
    guard !terms.contexts.isEmpty else {
      let allocation = MetadataContext(name: MetadataContext.allocation, id: 0)
      _ = sink(allocation, Extent(offset: offset, length: length, flags: 0))
      return
    }
    try checkRange(whole)
    var most = longestSweep
    var position = offset
    var answers: UInt64 = 0
    while position < whole.end {
      let piece = Request(
        .blockStatus, offset: position, length: min(most, whole.end - position))
      do throws(TransmissionError) {
        guard case .status(let statuses) = try perform(piece) else { return }
        let reached = reach(of: statuses, within: whole)
        answers += 1
        guard reached > position, answers <= 1024 + (reached - offset) / 512 else {
          throw TransmissionError(whole, .noProgress)
        }
        guard pass(statuses, upTo: reached, to: sink) else { return }
        position = reached
      } catch {
        guard error.asksForLess, piece.length > terms.export.largestPayload else { throw error }
        most = terms.export.largestPayload
      }
    }
  }

  /// How far the status of all contexts reaches, in whole blocks, so that the next request is a valid
  /// one.
  private func reach(of statuses: [BlockStatus], within whole: Request) -> UInt64 {
    let end = statuses.map(\.end).min() ?? whole.offset
    guard end < whole.end else { return whole.end }
    return end - end % UInt64(terms.export.blockSizes?.minimum ?? 1)
  }

  private func pass(
    _ statuses: [BlockStatus], upTo end: UInt64, to sink: (MetadataContext, Extent) -> Bool
  ) -> Bool {
    for status in statuses {
      for extent in status.extents where extent.offset < end {
        var cut = extent
        cut.length = min(extent.length, end - extent.offset)
        guard sink(status.context, cut) else { return false }
      }
    }
    return true
  }
}
