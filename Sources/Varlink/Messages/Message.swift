// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// Why received bytes are not a Varlink message.
package struct MessageError: Error, Sendable, Equatable {
  /// What is wrong, for people.
  package var message: String

  package init(message: String) {
    self.message = message
  }
}

/// A call by a client: a method, by its full name, and its parameters.
package struct Call: Sendable, Equatable {
  /// The interface and the method, for example "org.nbdd.Attach".
  package var method: String

  /// Always an object.
  package var parameters: JSON

  /// The client accepts several replies.
  package var more: Bool

  /// The client wants no reply, not even an error.
  package var oneway: Bool

  /// After the reply the stream switches to another protocol.
  package var upgrade: Bool

  package init(
    method: String, parameters: JSON = [:], more: Bool = false, oneway: Bool = false,
    upgrade: Bool = false
  ) {
    self.method = method
    self.parameters = parameters
    self.more = more
    self.oneway = oneway
    self.upgrade = upgrade
  }

  /// Reads a message without its final NUL.
  ///
  /// The method's name is then well formed, and thus ASCII. Unknown members of the head are ignored; of
  /// `more`, `oneway` and `upgrade` at most one may be true.
  package init(parsing message: [UInt8]) throws(MessageError) {
    let head = try Head(message)
    guard let method = try head.name("method") else {
      throw MessageError(message: "the call names no method")
    }
    self.init(
      method: method, parameters: try head.parameters(), more: try head.flag("more"),
      oneway: try head.flag("oneway"), upgrade: try head.flag("upgrade"))
    guard [more, oneway, upgrade].count(where: { $0 }) <= 1 else {
      throw MessageError(message: "'more', 'oneway' and 'upgrade' exclude one another")
    }
  }

  /// The message with its final NUL.
  package var bytes: [UInt8] {
    Head(
      .object([
        "method": JSON(method), "parameters": parameters, "more": more ? true : nil,
        "oneway": oneway ? true : nil, "upgrade": upgrade ? true : nil,
      ])
    ).bytes
  }
}

/// What a service returns for a call.
package struct Reply: Sendable, Equatable {
  /// Always an object.
  package var parameters: JSON

  /// The full name of an error, for example "org.nbdd.NoSuchDevice"; nil for a success.
  package var error: String?

  /// More replies to the same call follow.
  package var continues: Bool

  package init(parameters: JSON = [:], error: String? = nil, continues: Bool = false) {
    self.parameters = parameters
    self.error = error
    self.continues = continues
  }

  /// Reads a message without its final NUL.
  package init(parsing message: [UInt8]) throws(MessageError) {
    let head = try Head(message)
    self.init(
      parameters: try head.parameters(), error: try head.name("error"),
      continues: try head.flag("continues"))
    guard error == nil || !continues else {
      throw MessageError(message: "an error ends a call, but 'continues' is true")
    }
  }

  /// The message with its final NUL.
  package var bytes: [UInt8] {
    Head(
      .object([
        "error": error.map { JSON($0) }, "parameters": parameters,
        "continues": continues ? true : nil,
      ])
    ).bytes
  }
}

/// One of many replies to many calls that differ only in a number for each caller; encoded once.
package struct NumberedReply: Sendable {
  private static let beginning = Array(#"{"parameters":{"#.utf8)
  private let rest: ArraySlice<UInt8>

  /// More replies follow; `parameters` has at least one member.
  package init(_ parameters: JSON) {
    rest = Reply(parameters: parameters, continues: true).bytes.dropFirst(Self.beginning.count)
  }

  /// The message with its final NUL, and the number as the first of its parameters.
  package func bytes(_ name: StaticString, _ number: Int64) -> [UInt8] {
    Self.beginning + Array("\"\(name)\":\(number),".utf8) + rest
  }
}

/// The top-level object of a message.
private struct Head {
  private let object: JSON

  init(_ object: JSON) { self.object = object }

  init(_ message: [UInt8]) throws(MessageError) {
    do throws(JSONError) {
      self.object = try JSON(parsing: message, dialect: .strict)
    } catch {
      throw MessageError(
        message: "line \(error.place.line), column \(error.place.column): \(error.message)")
    }
    guard object.members != nil else {
      throw MessageError(message: "a message is an object, not \(object.kind)")
    }
  }

  var bytes: [UInt8] { Array(object.text.utf8) + [0] }

  func parameters() throws(MessageError) -> JSON {
    guard let parameters = value("parameters") else { return [:] }
    guard parameters.members != nil else { throw wrong("parameters", parameters, "an object") }
    return parameters
  }

  func flag(_ name: String) throws(MessageError) -> Bool {
    guard let flag = value(name) else { return false }
    guard let bool = flag.bool else { throw wrong(name, flag, "true or false") }
    return bool
  }

  func name(_ name: String) throws(MessageError) -> String? {
    guard let value = value(name) else { return nil }
    guard let string = value.string else { throw wrong(name, value, "a string") }
    guard QualifiedName(string) != nil else {
      throw MessageError(message: "'\(name)' is \(string.quoted), not INTERFACE.NAME")
    }
    return string
  }

  /// The member of that name; null counts as absent.
  private func value(_ name: String) -> JSON? {
    object[name].flatMap { $0.isNull ? nil : $0 }
  }

  private func wrong(_ name: String, _ value: JSON, _ kind: String) -> MessageError {
    MessageError(message: "'\(name)' is \(value.kind), not \(kind)")
  }
}
