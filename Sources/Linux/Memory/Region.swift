// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import Glibc

/// Memory of a fixed size outside the heap: a part of it costs nothing until it is used.
///
/// For one thread at a time. Every place is checked against the size. The corresponding C function is `mmap`.
@safe package final class Region: @unchecked Sendable {
  package let byteCount: Int
  private let start: UnsafeMutableRawPointer

  /// Reserves the memory; ENOMEM: there is not enough address space.
  package init(byteCount: Int) throws(SystemError) {
    self.byteCount = byteCount
    let mapped = unsafe mmap(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      throw SystemError("mmap", errno)
    }
    unsafe start = mapped
  }

  deinit {
    unsafe munmap(start, byteCount)
  }

  /// The bytes of a range, for reading.
  package func read<Value, Failure>(
    _ place: Int, _ count: Int, _ body: (Span<UInt8>) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let bytes = unsafe UnsafeRawBufferPointer(start: pointer(place, count), count: count)
    return try unsafe body(bytes.bindMemory(to: UInt8.self).span)
  }

  /// The bytes of a range, for writing.
  package func write(_ place: Int, _ count: Int, _ body: (inout MutableSpan<UInt8>) -> Void) {
    let bytes = unsafe UnsafeMutableRawBufferPointer(start: pointer(place, count), count: count)
    var span = unsafe bytes.bindMemory(to: UInt8.self).mutableSpan
    body(&span)
  }

  /// Copies bytes from another region, or from this one, also where the two ranges overlap.
  ///
  /// The corresponding C function is `memmove`.
  package func copy(_ count: Int, from source: Region, at sourcePlace: Int, to place: Int) {
    unsafe memmove(pointer(place, count), source.pointer(sourcePlace, count), count)
  }

  /// Makes every byte of a range zero.
  package func clear(_ place: Int, _ count: Int) {
    unsafe memset(pointer(place, count), 0, count)
  }

  /// Returns the memory of whole pages to the system; they are zeroes when they are used again.
  ///
  /// The corresponding C function is `madvise` with `MADV_DONTNEED`.
  package func giveBack(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    let place = unsafe pointer(range.lowerBound, range.count)
    // Locked memory cannot be returned (madvise(2)).
    unsafe munlock(place, range.count)
    unsafe madvise(place, range.count, MADV_DONTNEED)
    unsafe mlock2(place, range.count, UInt32(MLOCK_ONFAULT))
  }

  /// The address of a range that lies in the region.
  package func pointer(_ place: Int, _ count: Int) -> UnsafeMutableRawPointer {
    precondition(place >= 0 && count >= 0 && place <= byteCount - count, "outside of the region")
    return unsafe start + place
  }
}
