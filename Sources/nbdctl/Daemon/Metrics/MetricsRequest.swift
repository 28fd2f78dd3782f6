// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI
internal import Glibc

/// One request of a scraper, over HTTP/1.1 without anything that it does not need.
enum MetricsRequest {
  /// Reads the head of a request from standard input: until an empty line, but at most 16 KiB.
  ///
  /// Blocks; the unit has a limit.
  static func head() -> String {
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 4096)
    while bytes.count < 1 << 14, !bytes.ends(with: "\r\n\r\n"), !bytes.ends(with: "\n\n") {
      let count = unsafe room.withUnsafeMutableBytes { unsafe read(0, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      bytes += room.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The response to a request.
  static func answer(_ head: String, _ text: () throws(Failure) -> String) -> String {
    let words = head.prefix { !$0.isNewline }.split(separator: " ")
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else {
      return response("400 Bad Request", "this is not a request of HTTP/1.1\n")
    }
    guard words[0] == "GET" || words[0] == "HEAD" else {
      return response("405 Method Not Allowed", "only GET and HEAD\n", more: "Allow: GET, HEAD\r\n")
    }
    guard words[1].prefix(while: { $0 != "?" }) == "/metrics" else {
      return response("404 Not Found", "the figures are at /metrics\n")
    }
    do throws(Failure) {
      return response("200 OK", try text(), type: MetricsText.mediaType, hasBody: words[0] == "GET")
    } catch {
      return response("503 Service Unavailable", "\(error.message)\n")
    }
  }

  private static func response(
    _ status: String, _ body: String, type: String = "text/plain; charset=utf-8",
    more: String = "", hasBody: Bool = true
  ) -> String {
    "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n"
      + "\(more)Connection: close\r\n\r\n" + (hasBody ? body : "")
  }
}

extension [UInt8] {
  fileprivate func ends(with text: String) -> Bool {
    suffix(text.utf8.count).elementsEqual(text.utf8)
  }
}
