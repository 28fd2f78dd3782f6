// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import ControlAPI
import Varlink

/// The input is what a client sends, in pieces whose size is the first byte.
func check(_ input: [UInt8]) {
  guard let size = input.first.map({ max(1, Int($0)) }), let service else { return }
  var deframer = Deframer(limit: 1024)
  var position = 1
  while position < input.count {
    let end = min(position + size, input.count)
    let cut: Void? = try? deframer.append(input[position..<end])
    while let message = deframer.next() { answer(message, service) }
    if cut == nil { return }
    position = end
  }
}

private func answer(_ message: [UInt8], _ service: ServiceDescription) {
  if let reply = try? Reply(parsing: message) {
    precondition((try? Reply(parsing: reply.bytes.dropLast())) == reply, "written as another reply")
    checkAll(reply.parameters, service)
  }
  guard let call = try? Call(parsing: message) else { return }
  precondition((try? Call(parsing: call.bytes.dropLast())) == call, "written as another call")
  guard let reply = service.answer(call) else { return }
  precondition((try? Reply(parsing: reply.bytes.dropLast())) == reply, "an answer nobody can read")
  let interface = service.interfaces[0]
  let problems =
    reply.error.map { interface.problems(inError: reply.parameters, named: $0) }
    ?? interface.problems(inReply: reply.parameters, of: call.method)
  precondition(problems.isEmpty, "an answer that the interface does not have")
}

/// Compares a value with whatever the interfaces define.
private func checkAll(_ value: JSON, _ service: ServiceDescription) {
  for interface in service.interfaces {
    for method in interface.methods {
      _ = interface.problems(inReply: value, of: method.name)
      _ = interface.problems(inParameters: value, of: method.name)
    }
    for error in interface.errors { _ = interface.problems(inError: value, named: error.name) }
  }
}

private let service = try? ServiceDescription(
  vendor: "a", product: "b", version: "1", url: "https://example.com",
  interfaces: [ControlInterface.text])

extension [UInt8] {
  fileprivate func dropLast() -> [UInt8] { Array(self[..<(count - 1)]) }
}
