// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import BlockDevice
internal import ControlAPI
internal import Glibc
internal import Linux
internal import Varlink

/// A process that does one task and ends: this same program, with `--helper` and words for the list of processes.
///
/// Request and reply are one message each, on the descriptor that follows the standard streams: JSON, with the device's
/// open node beside the request, because opening it again may wait for ever, and a claim beside the reply. Both ends are
/// of the same build.
nonisolated enum Helper {
  private static let socketNumber: CInt = 3
  private static let mostBytes = 64 << 10

  // MARK: in nbdd

  /// Runs a task; blocks until it is done, but never so that it could not be killed.
  ///
  /// If nbdd ends meanwhile, the helper finishes what it has begun.
  static func run(
    _ task: HelperTask, _ name: String, node: Descriptor?
  ) throws(Failure) -> HelperResult {
    let (ended, reply): (ChildProcess.Result, (bytes: [UInt8], descriptors: [Descriptor])?)
    do throws(SystemError) {
      let (ours, theirs) = try MessageSocket.pair()
      try ours.send(Array(task.json.text.utf8), node.map { [$0] } ?? [], waits: false)
      ended = try start("\(task.word) \(name)", theirs.descriptor)
      reply = try ours.receive(mostBytes, waits: false)
    } catch {
      throw Failure(.kernel, "cannot run a helper process for '\(task.word)': \(error)")
    }
    guard let reply, let json = try? JSON(parsing: reply.bytes, dialect: .strict) else {
      throw Failure(
        .kernel,
        "the helper process for '\(task.word)' failed with status \(ended.status): \(shown(ended.output))"
      )
    }
    return try Result(task, json, claim: reply.descriptors.first).get()
  }

  private static func start(
    _ words: String, _ socket: Descriptor
  ) throws(SystemError) -> ChildProcess.Result {
    // Whatever has replaced the program's file since, this is the build that runs.
    let program = ["/proc/self/exe", "--helper", words]
    do throws(ChildProcess.Failure) {
      return try ChildProcess.run(program, within: nil, socket: socket)
    } catch {
      guard case .notRun(let error) = error else { throw SystemError("wait", ETIMEDOUT) }
      throw error
    }
  }

  // MARK: in the helper process

  /// Does the task that was sent, and sends its result.
  static func main() {
    let socket = MessageSocket(Descriptor(owning: socketNumber))
    guard let request = try? socket.receive(mostBytes, waits: true),
      let json = try? JSON(parsing: request.bytes, dialect: .strict), let task = HelperTask(json)
    else {
      StandardStream.error.print("nbdd: --helper is for nbdd itself\n")
      exit(EX_USAGE)
    }
    Thread.setName("nbdd-\(task.word)")
    let result = Result { () throws(Failure) in try perform(task, node: request.descriptors.first) }
    // nbdd may have ended meanwhile.
    try? socket.send(
      Array(result.json.text.utf8), result.claim.map { [$0] } ?? [], waits: false)
  }

  private static func perform(
    _ task: HelperTask, node: Descriptor?
  ) throws(Failure) -> HelperResult {
    switch task {
    case .settle(let remembered, let thread):
      let device = try device(task.index, node)
      return .settled(try KernelWork.settle(device, remembered, servedBy: thread))
    case .mount(let device):
      return .mounted(at: try Mounting.mount(device))
    case .quiesce(let index, let hasNoWrites, let force):
      return .quiesced(claim: try KernelWork.quiesce(index, readOnly: hasNoWrites, force: force))
    case .grow(let index, let count):
      let device = try device(index, node)
      try mapError(try device.grow(toBlocks: count), to: failure)
    case .disconnect(let index, let isClaimed):
      let device = try device(index, node)
      if isClaimed { try? device.empty() }
      try mapError(try device.disconnect(), to: failure)
    case .clear(let index):
      try device(index, node).clear()
    }
    return .done
  }

  private static func device(
    _ index: Int, _ node: Descriptor?
  ) throws(Failure) -> any KernelDevice {
    guard let node else { throw Failure(.kernel, "no node was sent") }
    return KernelDriver.adopt(node, index)
  }

  private static func failure(_ error: SystemError) -> Failure {
    Failure(.kernel, error.description)
  }
}
