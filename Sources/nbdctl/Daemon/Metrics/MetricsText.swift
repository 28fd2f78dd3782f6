// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import ControlAPI

/// Figures of devices as OpenMetrics (https://prometheus.io/docs/specs/om/open_metrics_spec/).
///
/// A family has all of its samples in one place, whatever device they are of.
struct MetricsText {
  static let mediaType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

  private(set) var text = ""
  private let devices: [DeviceStatus]

  init(_ devices: [DeviceStatus]) {
    self.devices = devices
    family("nbdd_build", "info", "The program that reports this.")
    text += "nbdd_build_info{version=\"\(Version.text)\"} 1\n"
    addStates()
    addConnections()
    addRequests()
    text += "# EOF\n"
  }

  // MARK: families

  private mutating func addStates() {
    family("nbdd_device", "info", "What a device is.")
    for device in devices {
      let node = device.runtime.device ?? ""
      let path = device.runtime.path?.rawValue ?? ""
      sample("nbdd_device_info", device, [("node", node), ("path", path)], 1)
    }
    family(
      "nbdd_device_state", "stateset", "1 for the state in which a device is, 0 for the others.")
    for device in devices {
      for state in DeviceState.allCases {
        sample(
          "nbdd_device_state", device, [("nbdd_device_state", state.rawValue)],
          device.runtime.state == state ? 1 : 0)
      }
    }
    gauge("nbdd_device_size_bytes", "bytes", "The size of a device.") { $0.export?.sizeBytes }
    gauge("nbdd_device_mounted", nil, "Whether the declared mount is there.") {
      $0.mount.map { $0.mounted ? 1 : 0 }
    }
    gauge(
      "nbdd_device_failed_attempts", nil, "Attempts that failed since a device was last attached."
    ) {
      $0.attempts
    }
    counter("nbdd_device_restarts", nil, "Restarts of nbdd while a device was attached.") {
      $0.restarts.map { ($0, 1) }
    }
  }

  private mutating func addConnections() {
    gauge(
      "nbdd_device_connections", nil,
      "Connections to the server that a device has or tries to have."
    ) {
      $0.relay.map { Int64($0.connections.count) }
    }
    gauge("nbdd_device_connections_up", nil, "Those that carry requests.") {
      $0.relay.map { relay in Int64(relay.connections.count { $0.up }) }
    }
    counter("nbdd_device_outages", nil, "Times during which no connection carried requests.") {
      $0.relay.map { ($0.outages, 1) }
    }
    counter("nbdd_device_outage_seconds", "seconds", "How long they took, with one that goes on.") {
      $0.relay.map { ($0.outageMSec, 1000) }
    }
    counter("nbdd_device_received_bytes", "bytes", "What came from the server.") {
      $0.relay.map { ($0.bytesFromServer, 1) }
    }
    counter("nbdd_device_sent_bytes", "bytes", "What was sent to the server.") {
      $0.relay.map { ($0.bytesToServer, 1) }
    }
  }

  private mutating func addRequests() {
    gauge("nbdd_device_requests_held", nil, "Requests of the kernel that have no reply yet.") {
      $0.relay?.requestsHeld
    }
    gauge(
      "nbdd_device_unflushed_bytes", "bytes", "Acknowledged writes that no completed flush covers."
    ) { $0.relay?.unflushedBytes }
    gauge(
      "nbdd_device_given_up", nil, "1 while requests fail with I/O errors for want of a server."
    ) {
      $0.relay.map { $0.givenUp ? 1 : 0 }
    }
    family("nbdd_device_request_bytes", "counter", "Bytes of successful requests.", unit: "bytes")
    forOperations { text, device, operation in
      text.sample(
        "nbdd_device_request_bytes_total", device, [("operation", operation.name.rawValue)],
        operation.bytes)
    }
    family(
      "nbdd_device_request_duration_seconds", "histogram",
      "From a request of the kernel to the reply.",
      unit: "seconds")
    forOperations { text, device, operation in text.histogram(device, operation) }
  }

  private mutating func histogram(_ device: DeviceStatus, _ operation: RelayOperationStatus) {
    let name = "nbdd_device_request_duration_seconds"
    let label = ("operation", operation.name.rawValue)
    var count: Int64 = 0
    for (index, number) in operation.latencyCounts.enumerated() {
      count += number
      let limits = RelayOperationStatus.latencyLimits
      let limit = index < limits.count ? Self.decimal(limits[index], 1_000_000) : "+Inf"
      sample("\(name)_bucket", device, [label, ("le", limit)], count)
    }
    sample("\(name)_count", device, [label], count)
    sample("\(name)_sum", device, [label], operation.latencyUSec, per: 1_000_000)
  }

  private mutating func forOperations(
    _ add: (inout Self, DeviceStatus, RelayOperationStatus) -> Void
  ) {
    for device in devices {
      for operation in device.runtime.relay?.operations ?? [] { add(&self, device, operation) }
    }
  }

  // MARK: lines

  private mutating func gauge(
    _ name: String, _ unit: String?, _ help: String, _ value: (DeviceRuntime) -> Int64?
  ) {
    family(name, "gauge", help, unit: unit)
    for device in devices {
      if let value = value(device.runtime) { sample(name, device, [], value) }
    }
  }

  /// The value is a number and what it has to be divided by.
  private mutating func counter(
    _ name: String, _ unit: String?, _ help: String, _ value: (DeviceRuntime) -> (Int64, Int64)?
  ) {
    family(name, "counter", help, unit: unit)
    for device in devices {
      guard let (value, divisor) = value(device.runtime) else { continue }
      sample("\(name)_total", device, [], value, per: divisor)
    }
  }

  private mutating func family(
    _ name: String, _ type: String, _ help: String, unit: String? = nil
  ) {
    text += "# TYPE \(name) \(type)\n"
    if let unit { text += "# UNIT \(name) \(unit)\n" }
    text += "# HELP \(name) \(help)\n"
  }

  private mutating func sample(
    _ name: String, _ device: DeviceStatus, _ labels: [(String, String)], _ value: Int64,
    per divisor: Int64 = 1
  ) {
    let labels = ([("device", device.context.name)] + labels).map {
      "\($0)=\"\(Self.escaped($1))\""
    }
    text += "\(name){\(labels.joined(separator: ","))} \(Self.decimal(value, divisor))\n"
  }

  /// A fraction by a power of ten, exactly.
  private static func decimal(_ value: Int64, _ divisor: Int64) -> String {
    let (whole, rest) = value.quotientAndRemainder(dividingBy: divisor)
    guard rest != 0 else { return "\(whole)" }
    let digits = "\(divisor + rest)".dropFirst()
    return "\(whole).\(digits)"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
