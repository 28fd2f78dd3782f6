// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ArgumentParser
internal import Base
internal import Linux
internal import NBD
internal import Transport
internal import Varlink

/// `nbdctl map`.
struct MapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "map",
    abstract: "Show which parts of an export are data, zeroes and holes.",
    discussion: "Connects to the server directly, without nbdd. The timeout is for each request.")

  @OptionGroup var server: ServerOptions
  @Option(help: ArgumentHelp("The metadata context to ask for.", valueName: "NAME"))
  var context = "base:allocation"
  @Flag(help: "Print JSON.")
  var json = false

  mutating func run() throws {
    let uri = try server.parsed()
    let stream = try server.connect(to: uri, isTotal: false)
    defer { stream.close() }
    var request = server.request(for: uri)
    request.contexts = [context]
    let transmission = try Transmission(request, over: stream)
    defer { transmission.disconnect() }
    let size = transmission.terms.export.sizeBytes
    if transmission.terms.contexts.isEmpty {
      let problem = "the server does not offer the metadata context \(shown(context))"
      guard context == MetadataContext.allocation else { throw Failure(problem) }
      Terminal.note("\(problem); everything counts as data")
    }
    var map = ExtentMap(context, size: size, json ? .json : .table)
    var output = try TextOutput()
    output.append(map.head)
    do throws(TransmissionError) {
      try transmission.blockStatus(offset: 0, length: size) { _, extent in
        output.append(map.add(extent))
        return output.failure == nil
      }
    } catch {
      // Truncated JSON is not a document, and cannot be taken for the whole map.
      try output.finish()
      throw Failure(error)
    }
    output.append(map.finish())
    try output.finish()
  }
}

extension Transmission where Stream == ServerStream {
  /// Negotiates, and begins the transmission.
  convenience init(
    _ request: ExportRequest, over stream: ServerStream, mostInFlight: Int = 16
  ) throws(Failure) {
    do throws(NegotiationError) {
      let terms = try NBD.negotiate(request, over: stream)
      for note in terms.notes { Terminal.note(note) }
      self.init(terms, over: stream, mostInFlight: mostInFlight)
    } catch {
      throw Failure(error)
    }
  }
}
