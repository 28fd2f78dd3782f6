// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import Base
internal import ControlAPI
internal import Glibc
internal import Linux
internal import NBD
internal import TLS
internal import Transport

/// Connects to a device's server and negotiates the export, in sequence, on a thread that may
/// block.
nonisolated struct ServerDialer: Sendable {
  let configuration: DeviceConfiguration
  /// The only address to try; nil: all addresses of the name.
  let address: Address?
  /// The time for one address to accept the connection.
  let connectTime: Duration
  /// Ends every wait.
  let interrupt: Wakeup

  init(
    _ configuration: DeviceConfiguration, address: Address? = nil, connectTime: Duration? = nil,
    interrupt: Wakeup
  ) {
    self.configuration = configuration
    self.address = address
    self.connectTime = connectTime ?? configuration.settings.connectTimeout
    self.interrupt = interrupt
  }

  func run() throws(Failure) -> (ServerStream, Negotiated) {
    // Names are resolved and files are read again each time: both may have changed.
    let stream = try connect(try credentials())
    let negotiated: Negotiated
    do throws(NegotiationError) {
      negotiated = try NBD.negotiate(request, over: stream)
    } catch {
      throw Failure(
        .negotiate, error.description, kind: FailureKind(error), isPersistent: error.isPersistent)
    }
    stream.socket.prepareForRequests()
    return (stream, negotiated)
  }

  private var request: ExportRequest {
    var request = ExportRequest(configuration.uri)
    // The kernel itself knows simple replies only.
    request.structuredReplies = configuration.settings.path == .relay
    request.extendedHeaders = request.structuredReplies
    return request
  }

  private func credentials() throws(Failure) -> Credentials? {
    var files = SecurityFiles()
    files.directory =
      configuration.settings.tlsCertificates ?? Environment["CREDENTIALS_DIRECTORY"]
    files.pskFile = configuration.settings.tlsPSKFile
    files.priority = configuration.settings.tlsPriority
    files.hostname = configuration.tlsHostname
    files.verifyPeer = configuration.verifyPeer
    do throws(CredentialsError) {
      return try files.credentials(for: configuration.uri)
    } catch {
      throw Failure(.negotiate, error.description, kind: FailureKind(error), isPersistent: true)
    }
  }

  private func connect(_ credentials: Credentials?) throws(Failure) -> ServerStream {
    let pace = Pace(connectTime: connectTime, stepTime: configuration.settings.negotiationTimeout)
    do throws(ConnectError) {
      return try ServerStream.connect(
        to: configuration.uri.transport, only: address, pace, credentials, interrupt: interrupt)
    } catch {
      throw Failure(
        error.isResolution ? .resolve : .connect, error.description, kind: FailureKind(error),
        isPersistent: error == .pathTooLong)
    }
  }
}
