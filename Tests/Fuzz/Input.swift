// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// What libFuzzer calls with each input; `check` is that of the target.
@c(LLVMFuzzerTestOneInput)
func takeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  unsafe check([UInt8](UnsafeBufferPointer(start: start, count: count)))
  return 0
}
