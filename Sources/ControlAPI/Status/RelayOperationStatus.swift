// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The interface's `RelayOperation`: the requests of one command.
package struct RelayOperationStatus: Structure {
  package enum Name: String, Enumeration { case read, write, flush, trim, writeZeroes }

  package var name = Name.read
  package var requests: Int64 = 0
  package var bytes: Int64 = 0
  package var latencyUSec: Int64 = 0
  package var latencyCounts: [Int64] = []

  /// The limits of the counts but the last, in microseconds.
  package static let latencyLimits: [Int64] = (0..<11).map { 64 << (2 * $0) }

  package static let typeName: String? = "RelayOperation"
  package static let fields: [Field<Self>] = [
    Field("name", \.name),
    Field("requests", \.requests),
    Field("bytes", \.bytes),
    Field("latencyUSec", \.latencyUSec),
    Field("latencyCounts", \.latencyCounts),
  ]

  package init() {}
}
