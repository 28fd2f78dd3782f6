// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import ControlAPI

/// `nbdctl metrics`.
struct MetricsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metrics",
    abstract: "Print figures of all devices for Prometheus.",
    discussion: """
      The format is OpenMetrics. nbdd-metrics.socket serves the same over HTTP, at \
      http://127.0.0.1:9809/metrics.
      """)

  @OptionGroup var daemon: DaemonOptions
  @Flag(help: "Answer one HTTP request on standard input, as a service of a systemd socket.")
  var http = false

  mutating func run() throws {
    guard http else { return try put(text()) }
    let daemon = daemon
    let answer = MetricsRequest.answer(MetricsRequest.head()) { () throws(Failure) in
      MetricsText(try daemon.client().devices()).text
    }
    try put(answer)
  }

  private func text() throws(Failure) -> String { MetricsText(try daemon.client().devices()).text }
}
