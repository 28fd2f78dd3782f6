// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Varlink

/// What Watch returns repeatedly: an event of a device.
package struct WatchEvent: Structure {
  /// The number of the reply, from 1.
  package var sequence: Int64 = 0
  package var event = Kind.synced
  package var device: DeviceStatus?
  package var name: String?

  private static let sequenceName: StaticString = "sequence"
  package static let fields: [Field<Self>] = [
    Field("\(sequenceName)", \.sequence),
    Field("event", \.event),
    Field("device", \.device),
    Field("name", \.name),
  ]

  package init() {}

  /// Makes an event that has no number yet.
  ///
  /// - Parameters:
  ///   - event: What happened.
  ///   - device: The device as it is now; nil if it is gone, or the event concerns none.
  ///   - name: Its name; nil if the event concerns none.
  package init(_ event: Kind, _ device: DeviceStatus?, name: String?) {
    self.event = event
    self.device = device
    self.name = name
  }

  /// The interface's `Event`.
  package enum Kind: String, Enumeration {
    case present, synced, changed, removed, dropped

    package static let typeName: String? = "Event"
  }

  /// The event encoded once, for several clients that each number their own replies.
  package struct Encoded: Sendable {
    private let reply: NumberedReply

    /// Encodes everything except the number.
    package init(_ event: WatchEvent) {
      // The number is the first field.
      reply = NumberedReply(JSON(.object(Array((event.json.members ?? []).dropFirst()))))
    }

    /// The reply with its number, as it is sent.
    package func bytes(sequence: Int64) -> [UInt8] { reply.bytes(sequenceName, sequence) }
  }
}
