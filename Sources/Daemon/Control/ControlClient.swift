// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Dispatch
internal import Glibc
internal import Linux
internal import Varlink

/// One client of the control socket: its calls in, in order, and the replies out.
///
/// Everything that a client can make grow is bounded, and nothing that it does or fails to do
/// blocks the loop.
final class ControlClient {
  let peer: ControlSocket.Peer
  /// Called once, when the connection is closed from either side.
  var onClose: () -> Void = {}
  /// Called if the client has gone before the reply to its current call; the work may continue, but
  /// nothing waits for it.
  private var onAbandoned: () -> Void = {}
  /// Called whenever everything queued so far has been sent.
  var onDrained: () -> Void = {}

  let descriptor: Descriptor
  private let answer: (Call, ControlClient) -> Void
  private var deframer = Deframer(limit: messageLimit)
  private var calls: [Call] = []
  /// The call that is being carried out; the next has to wait.
  private var current: Call?
  private var outgoing: [UInt8] = []
  private var reader: (any DispatchSourceRead)?
  private var writer: (any DispatchSourceWrite)?
  private var isPaused = false
  /// The client has closed its side, or can no longer be served.
  private var isEnding = false
  private var isClosed = false
  private var messageTimer: Loop.Timer?

  private static let messageLimit = 1 << 20
  private static let backlogLimit = 16 << 20
  private static let queueLimit = 64
  /// How long a message may take from its first byte to its last.
  private static let messageTime = Duration.seconds(10)

  init(
    _ descriptor: Descriptor, _ peer: ControlSocket.Peer,
    _ answer: @escaping (Call, ControlClient) -> Void
  ) {
    self.descriptor = descriptor
    self.peer = peer
    self.answer = answer
    reader = Loop.onReadable(descriptor) { self.receive() }
  }

  /// Calls `body` if the client has gone before the reply to the current call.
  ///
  /// A client that wants no reply need not stay.
  func whenAbandoned(_ body: @escaping () -> Void) {
    if current?.oneway == false { onAbandoned = body }
  }

  /// The client, for the log.
  var caller: String { "uid \(peer.user), pid \(peer.process)" }

  /// Logs what the client asks for.
  func log(_ wish: String, of device: Device) {
    Journal.notice(
      "\(device.name): \(wish) asked for by \(caller)", Journal.Fields(device: device.name))
  }

  /// The number of bytes that still wait to be sent to the client.
  var backlog: Int { outgoing.count }

  // MARK: in

  private func receive() {
    guard !isClosed else { return }
    do throws(SystemError) {
      guard let bytes = try ControlSocket.receive(from: descriptor, limit: 65536) else { return }
      guard !bytes.isEmpty else { return end() }
      try? take(bytes)
    } catch {
      close()
    }
  }

  private func take(_ bytes: [UInt8]) throws(MessageError) {
    do throws(MessageError) {
      try deframer.append(bytes)
      while let message = deframer.next() { calls.append(try Call(parsing: message)) }
    } catch {
      return reject(error.message)
    }
    limitMessageTime()
    if calls.count > Self.queueLimit { pause() }
    proceed()
  }

  private func limitMessageTime() {
    guard deframer.isInsideMessage else { return messageTimer = nil }
    guard messageTimer == nil else { return }
    messageTimer = Loop.timer(after: Self.messageTime) {
      self.reject("the message did not end within \(Quantities.exactly(Self.messageTime))")
    }
  }

  /// Reports to the client what was wrong with its message, and closes: where the next message
  /// begins is unknown.
  private func reject(_ message: String) {
    guard !isClosed else { return }
    Journal.notice("control socket: \(caller): \(message); closing")
    messageTimer = nil
    calls = []
    abandon()
    isEnding = true
    write(ControlError.invalidMessage(MessageText(message: message)).reply.bytes)
    stopReading()
    closeWhenDone()
  }

  private func proceed() {
    while current == nil, !isClosed, !calls.isEmpty {
      let call = calls.removeFirst()
      current = call
      answer(call, self)
    }
    if calls.count <= Self.queueLimit { resume() }
    closeWhenDone()
  }

  /// Called when the client sends no more.
  ///
  /// It may still read the replies to its calls, but only for a limited time.
  private func end() {
    isEnding = true
    messageTimer = nil
    stopReading()
    if current?.more == true { return close() }
    closeWhenDone()
  }

  /// Called when the client has closed both directions.
  ///
  /// Its calls are still carried out, but nothing waits for their results, and its place is free.
  func hangUp() {
    guard !isClosed else { return }
    // It sends no more, so this loop ends.
    while let bytes = try? ControlSocket.receive(from: descriptor, limit: 65536), !bytes.isEmpty,
      (try? deframer.append(bytes)) != nil
    {
      while let message = deframer.next(), let call = try? Call(parsing: message) {
        calls.append(call)
      }
    }
    let rest = calls.filter { !$0.more }
    close()
    for call in rest {
      current = call
      answer(call, self)
      abandon()
    }
  }

  private func abandon() {
    current = nil
    let body = onAbandoned
    onAbandoned = {}
    body()
  }

  // MARK: out

  /// Replies to the current call; more replies follow if it `continues`.
  func reply(_ reply: Reply) {
    guard let call = current, !isClosed else { return }
    if !call.oneway { write(reply.bytes) }
    guard !reply.continues else { return }
    current = nil
    onAbandoned = {}
    // Not at once: the caller may be in the middle of something.
    DispatchQueue.main.async { self.proceed() }
  }

  /// Replies to the current call with a result.
  func succeed(_ result: some Structure) {
    reply(Reply(parameters: result.json))
  }

  /// Replies to the current call with an error.
  func fail(_ error: ControlError) {
    reply(error.reply)
  }

  /// Sends one of several replies to the current call, encoded already.
  func send(_ reply: [UInt8]) {
    if let current, !isClosed, !current.oneway { write(reply) }
  }

  private func write(_ reply: [UInt8]) {
    outgoing += reply
    guard outgoing.count <= Self.backlogLimit else { return close() }
    flush()
  }

  private func flush() {
    guard !isClosed else { return }
    do throws(SystemError) {
      let sent = try ControlSocket.send(outgoing, on: descriptor)
      outgoing.removeFirst(sent)
    } catch {
      return close()
    }
    guard outgoing.isEmpty else {
      if writer == nil { writer = Loop.onWritable(descriptor) { self.flush() } }
      return
    }
    writer?.cancel()
    writer = nil
    onDrained()
    closeWhenDone()
  }

  // MARK: the end

  private func closeWhenDone() {
    if isEnding, current == nil, calls.isEmpty, outgoing.isEmpty { close() }
  }

  private func close() {
    guard !isClosed else { return }
    isClosed = true
    messageTimer = nil
    stopReading()
    writer?.cancel()
    writer = nil
    calls = []
    onDrained = {}
    onClose()
    onClose = {}
    abandon()
  }

  private func stopReading() {
    resume()
    reader?.cancel()
    reader = nil
  }

  // A suspended source must not be released, so every pause is undone.
  private func pause() {
    guard !isPaused else { return }
    isPaused = true
    reader?.suspend()
  }

  private func resume() {
    guard isPaused else { return }
    isPaused = false
    reader?.resume()
  }
}
