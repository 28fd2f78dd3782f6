// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Linux
internal import Varlink

/// What a task of a helper process results in, if it did not fail.
nonisolated enum HelperResult: Sendable {
  case done
  case settled(KernelWork.Settled)
  /// Mounted, at this real path.
  case mounted(at: String)
  /// Until the claim is closed, nothing else can use the device; nil: nothing was claimed.
  case quiesced(claim: Descriptor?)
}

nonisolated extension Result<HelperResult, Failure> {
  /// The text of the reply; a claim goes beside it.
  var json: JSON {
    switch self {
    case .success(.done), .success(.quiesced): [:]
    case .success(.settled(let settled)):
      ["partitions": JSON(settled.partitions), "notes": JSON(settled.notes)]
    case .success(.mounted(let path)): ["path": JSON(path)]
    case .failure(let failure):
      [
        "stage": JSON(failure.stage.rawValue), "message": JSON(failure.message),
        "holders": JSON(failure.holders),
      ]
    }
  }

  var claim: Descriptor? {
    if case .success(.quiesced(let claim)) = self { claim } else { nil }
  }

  /// The result of a task, from the reply.
  init(_ task: HelperTask, _ json: JSON, claim: Descriptor?) {
    let strings = { (name: String) in (json[name]?.array ?? []).compactMap(\.string) }
    if let stage = json["stage"]?.string.flatMap(FailureStage.init(rawValue:)) {
      let message = json["message"]?.string ?? ""
      self = .failure(Failure(stage, message, holders: strings("holders")))
      return
    }
    switch task {
    case .settle:
      self = .success(
        .settled(KernelWork.Settled(partitions: strings("partitions"), notes: strings("notes"))))
    case .mount: self = .success(.mounted(at: json["path"]?.string ?? ""))
    case .quiesce: self = .success(.quiesced(claim: claim))
    case .grow, .disconnect, .clear: self = .success(.done)
    }
  }
}
