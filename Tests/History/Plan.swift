// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import NBD
internal import TestSupport

/// What is to happen in a scenario; all of it follows from the seed.
struct Plan {
  /// Something that is done, as far as it can be done then.
  enum Kind: CaseIterable {
    case submit, serve, execute, reply, deliver, connect, writeBack, haunt
    case crash, cut, leave, garble, replace, reconnect, fail, giveUp, stall
    case failFlush, failRequest

    /// How often it happens, compared with others; that differs from scenario to scenario.
    fileprivate var weight: Int {
      switch self {
      case .submit: 1200
      case .serve, .execute: 560
      case .reply, .deliver: 400
      case .connect, .haunt: 320
      case .writeBack: 80
      case .crash: 16
      case .cut, .failFlush: 24
      case .reconnect, .stall: 12
      case .replace: 6
      case .leave, .garble, .fail, .giveUp, .failRequest: 4
      }
    }

    fileprivate var isFault: Bool { weight < 80 }
  }

  struct Step {
    var kind: Kind
    /// Decides how it is done.
    var seed: UInt64
  }

  let seed: UInt64
  let connectionCount: Int
  let socketCount: Int
  let blockCount: Int
  /// How many requests of the kernel may be under way.
  let depth: Int
  /// How often the kernel asks for each.
  let mix: [(NBD.Command, Int)]
  let unflushedLimit: Int
  let requestTimeout: Duration
  /// How long a request may wait; whatever waits longer fails.
  let giveUpAfter: Duration?
  /// In the end the export is given up for good.
  let endsAbandoned: Bool
  let nature: PlayedServer.Nature
  var steps: [Step]

  init(seed: UInt64, _ options: Options) {
    self.seed = seed
    var random = SplitMix(seed: seed)
    func chance(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }
    connectionCount = options.connectionCount ?? Int.random(in: 1...4, using: &random)
    socketCount = Int.random(in: 1...4, using: &random)
    blockCount = Int.random(in: 2...12, using: &random)
    depth = [1, 2, 4, 8, 16, 24][Int.random(in: 0..<6, using: &random)]
    let usual: [(NBD.Command, Int)] = [
      (.write, 40), (.writeZeroes, 4), (.trim, 4), (.flush, 10), (.read, 22),
    ]
    mix = usual.map { ($0, $1 * [1, 2, 2, 6][Int.random(in: 0..<4, using: &random)]) }
    unflushedLimit = [1, 8, 1 << 20][Int.random(in: 0..<3, using: &random)] * 4096
    let stalls = chance(options.stallPeriod)
    requestTimeout = stalls ? .milliseconds(100) : .seconds(10)
    giveUpAfter =
      chance(20) ? .milliseconds([1, 3, 20][Int.random(in: 0..<3, using: &random)]) : nil
    endsAbandoned = chance(20)
    var nature = PlayedServer.Nature()
    nature.offersFlush = !chance(20)
    nature.offersFUA = !chance(4) && !options.leftOut.contains("fua")
    nature.isUnreachable = options.isUnreachable
    nature.executesLate = !options.leftOut.contains("late")
    nature.flushesForFUA = chance(2)
    nature.trimsMayDoNothing = chance(2)
    self.nature = nature

    var weights: [(Kind, Int)] = []
    for kind in Kind.allCases {
      var weight = kind.weight
      if options.leftOut.contains("\(kind)") || kind == .haunt && !options.isUnreachable {
        weight = 0
      } else if kind == .stall {
        weight *= stalls ? 1 : 0
      } else if kind.isFault {
        weight *= [0, 0, 1, 1, 3][Int.random(in: 0..<5, using: &random)]
      } else if kind != .submit {
        weight = weight * [1, 4, 4, 12][Int.random(in: 0..<4, using: &random)] / 4
      }
      weights.append((kind, weight))
    }
    steps = []
    for _ in 0..<Int.random(in: 200...1200, using: &random) {
      steps.append(Step(kind: Self.pick(weights, &random), seed: random.next()))
    }
  }

  /// One of several, each as often as it weighs.
  static func pick<Value>(_ weights: [(Value, Int)], _ random: inout SplitMix) -> Value {
    var place = Int.random(in: 0..<weights.reduce(0) { $0 + $1.1 }, using: &random)
    for (value, weight) in weights {
      if place < weight { return value }
      place -= weight
    }
    return weights[0].0
  }

  var description: String {
    "\(connectionCount) connections, \(socketCount) sockets, \(blockCount) blocks, \(depth) requests at a time, "
      + "\(unflushedLimit) bytes unflushed, \(requestTimeout), "
      + "\(giveUpAfter.map { "fail after \($0), " } ?? "")\(nature)"
  }
}
