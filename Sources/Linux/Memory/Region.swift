// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
internal import CLinux
internal import Glibc

/// Memory of a fixed size outside the heap: a part of it costs nothing until it is used.
///
/// For one thread at a time. Every place is checked against the size. The corresponding C function is `mmap`.
@safe package final class Region: @unchecked Sendable {
  package let byteCount: Int
  private let start: UnsafeMutableRawPointer
  /// The file whose memory it is, and where in it; nil: it is memory of this process alone.
  private let backing: (file: MemoryFile, place: Int)?

  /// Reserves memory; ENOMEM: there is not enough address space.
  package init(byteCount: Int) throws(SystemError) {
    self.byteCount = byteCount
    backing = nil
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    unsafe start = try Self.map(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
  }

  /// Maps whole pages of a memory file.
  ///
  /// They are left out of core dumps unless `isDumped` is set: a dump of them takes time, in which nobody
  /// can continue. ENOMEM: there is not enough address space.
  package init(
    _ file: MemoryFile, at place: Int, byteCount: Int, isDumped: Bool = false
  ) throws(SystemError) {
    self.byteCount = byteCount
    backing = (file, place)
    unsafe start = try Self.map(
      nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor.number, place)
    if !isDumped { unsafe madvise(start, byteCount, MADV_DONTDUMP) }
  }

  /// Maps whole pages of a memory file twice, one directly after the other, so that a range that passes the end
  /// and goes on at the beginning is contiguous.
  package init(
    ring file: MemoryFile, at place: Int, byteCount: Int
  ) throws(SystemError) {
    self.byteCount = 2 * byteCount
    backing = (file, place)
    unsafe start = try Self.map(
      nil, 2 * byteCount, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    for copy in 0..<2 {
      let address = unsafe start + copy * byteCount
      _ = unsafe try Self.map(
        address, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.descriptor.number,
        place)
    }
    unsafe madvise(start, 2 * byteCount, MADV_DONTDUMP)
  }

  private static func map(
    _ address: UnsafeMutableRawPointer?, _ byteCount: Int, _ protection: CInt, _ flags: CInt,
    _ file: CInt, _ place: Int
  ) throws(SystemError) -> UnsafeMutableRawPointer {
    let mapped = unsafe mmap(address, byteCount, protection, flags, file, place)
    guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else {
      throw SystemError("mmap", errno)
    }
    return unsafe mapped
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
    #if TEST_SWITCHES
      crashPoint()
    #endif
    unsafe memmove(pointer(place, count), source.pointer(sourcePlace, count), count)
  }

  /// Makes every byte of a range zero.
  package func clear(_ place: Int, _ count: Int) {
    unsafe memset(pointer(place, count), 0, count)
  }

  // MARK: words

  /// The number at a place that is a multiple of 8.
  package func load(_ place: Int) -> UInt64 {
    unsafe pointer(place, 8).load(as: UInt64.self)
  }

  /// Stores a number at a place that is a multiple of 8.
  ///
  /// Stores are carried out one after the other: whoever finds one of them in the memory of a process that was
  /// killed finds all earlier ones as well.
  package func store(_ value: UInt64, at place: Int) {
    #if TEST_SWITCHES
      crashPoint()
    #endif
    compilerBarrier()
    unsafe pointer(place, 8).storeBytes(of: value, as: UInt64.self)
    compilerBarrier()
  }

  // MARK: memory

  /// Takes memory for a range, so that using it cannot fail; returns false if there is none now.
  package func take(_ range: Range<Int>) -> Bool {
    guard let backing, !range.isEmpty else { return true }
    precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "outside of the region")
    return backing.file.take(backing.place + range.lowerBound..<backing.place + range.upperBound)
  }

  /// Returns the memory of whole pages to the system; they are zeroes when they are used again.
  ///
  /// The corresponding C functions are `madvise` with `MADV_DONTNEED`, and `fallocate`.
  package func giveBack(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    let place = unsafe pointer(range.lowerBound, range.count)
    if let backing {
      return backing.file.giveBack(
        backing.place + range.lowerBound..<backing.place + range.upperBound)
    }
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
