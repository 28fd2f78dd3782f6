// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import TestSupport
internal import Testing

@testable import nbdctl

/// Figures for Prometheus, and the requests for them.
struct MetricsTests {
  @Test func `figures of devices, as a file in Tests/Golden`() {
    let text = MetricsText(Sample.devices).text.replacing(Version.text, with: "VERSION")
    #expect(Golden.difference(text, from: "metrics.txt") == nil)
  }

  @Test func `names cannot break out of a label`() {
    var device = Sample.detached
    device.runtime.device = "a\"} 1\n\\"
    #expect(MetricsText([device]).text.contains(#"node="a\"} 1\n\\",path"#))
  }

  @Test(
    "requests",
    arguments: [
      ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "figures"),
      ("GET /metrics?x=1 HTTP/1.0\n\n", "200 OK", "figures"),
      ("HEAD /metrics HTTP/1.1\r\n\r\n", "200 OK", ""),
      ("POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed", "only GET and HEAD\n"),
      ("GET / HTTP/1.1\r\n\r\n", "404 Not Found", "the figures are at /metrics\n"),
      ("GET /metrics", "400 Bad Request", "this is not a request of HTTP/1.1\n"),
      ("", "400 Bad Request", "this is not a request of HTTP/1.1\n"),
    ])
  func request(head: String, status: String, body: String) {
    let answer = MetricsRequest.answer(head) { "figures" }
    #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"))
    #expect(answer.hasSuffix("\r\n\r\n\(body)"))
  }

  @Test func `without nbdd`() {
    let answer = MetricsRequest.answer("GET /metrics HTTP/1.1\r\n\r\n") { () throws(Failure) in
      throw Failure("is nbdd running?", 69)
    }
    #expect(answer.hasPrefix("HTTP/1.1 503 Service Unavailable\r\n"))
    #expect(answer.hasSuffix("is nbdd running?\n"))
  }
}
