// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Kernel
package import NBD
internal import TLS

/// Receiving and sending without waiting and without an allocation, once the negotiation is over.
extension ServerStream {
  /// Receives what there is, at most `count` bytes: 0 at the end of the stream, nil if nothing has come.
  package func receive(
    into region: Region, at place: Int, _ count: Int
  ) throws(StreamError) -> Int? {
    guard let session else {
      do throws(SystemError) {
        return try socket.descriptor.receive(into: region, at: place, count)
      } catch {
        throw .failed(call: error.call, reason: error.reason)
      }
    }
    do throws(TLSError) {
      return try session.receive(into: region, at: place, count)
    } catch {
      throw StreamError(error)
    }
  }

  /// Sends what the connection takes of the parts, and answers how many bytes; nil if it takes nothing
  /// now: then the same bytes have to come first the next time.
  package func send(_ parts: Gather) throws(StreamError) -> Int? {
    guard let session else {
      do throws(SystemError) {
        return try parts.send(over: socket.descriptor)
      } catch {
        throw .failed(call: error.call, reason: error.reason)
      }
    }
    do throws(TLSError) {
      // What fills a record leaves from where it is.
      let first = unsafe parts.first
      if first.count >= Session.recordByteCount { return try unsafe session.send(first) }
      let record = try roomForRecord()
      let count = parts.copy(into: record)
      return try unsafe session.send(
        UnsafeRawBufferPointer(start: record.pointer(0, count), count: count))
    } catch {
      throw StreamError(error)
    }
  }

  private func roomForRecord() throws(TLSError) -> Region {
    if let record { return record }
    do throws(SystemError) {
      let region = try Region(byteCount: Session.recordByteCount)
      record = region
      return region
    } catch {
      throw .system(error)
    }
  }
}
