// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

internal import BlockDevice
internal import ControlAPI
internal import Linux
internal import NBD
internal import Varlink

/// What other programs have attached, as far as their command lines tell.
enum RunningDevices {
  struct Found {
    /// Such as /dev/nbd0.
    var device: String
    var result: Result<ImportedDevice, ImportError>
  }

  /// All devices that are attached, but not to nbdd.
  static func find(besides ours: Set<Int>) -> [Found] {
    var taken: Set<String> = []
    return Sysfs.devices().filter { !Sysfs.isFree($0) && !ours.contains($0) }.map { index in
      let device = DeviceNode.path(index)
      do throws(ImportError) {
        let imported = try describe(index, device, besides: taken)
        taken.insert(imported.name)
        return Found(device: device, result: .success(imported))
      } catch {
        return Found(device: device, result: .failure(error))
      }
    }
  }

  private static func describe(
    _ index: Int, _ device: String, besides taken: Set<String>
  ) throws(ImportError) -> ImportedDevice {
    if Sysfs.isNetlink(index) {
      throw ImportError(
        "it was attached by netlink, and neither the kernel nor a process knows its server; import its line of /etc/nbdtab"
      )
    }
    guard let process = Sysfs.attacher(of: index), let arguments = arguments(of: process),
      let program = arguments.first?.split(separator: "/").last
    else { throw ImportError("the process that attached it cannot be read; are you root?") }
    switch program {
    case "nbd-client":
      return try NbdClientSettings(arguments: Array(arguments.dropFirst()), device: device)
        .imported(besides: taken)
    case "qemu-nbd": return try qemu(Array(arguments.dropFirst()), index, device)
    default: throw ImportError("it is attached by \(program) (\(process)), which is not known")
    }
  }

  private static func arguments(of process: Int) -> [String]? {
    guard let bytes = try? File.bytes(of: "/proc/\(process)/cmdline"), !bytes.isEmpty else {
      return nil
    }
    return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  /// qemu-nbd attaches what it serves itself: the URI of another server, or an image.
  private static func qemu(
    _ arguments: [String], _ index: Int, _ device: String
  ) throws(ImportError) -> ImportedDevice {
    guard let source = arguments.last, !source.hasPrefix("-"), source != device else {
      throw ImportError("qemu-nbd's command line names no image as its last word")
    }
    let isReadOnly = arguments.contains("-r") || arguments.contains("--read-only")
    var (uri, warnings) = (source, [String]())
    if (try? URI(parsing: source)) == nil {
      let socket = "/run/nbd\(index).sock"
      uri = "nbd+unix:///?socket=\(socket)"
      let flags = isReadOnly ? " --read-only" : ""
      warnings.append(
        "\(source) is an image: serve it with qemu-nbd --persistent --shared=0\(flags) --socket=\(socket) \(source)"
      )
    }
    let file = JSON.object([
      "uri": JSON(uri), "device": JSON("nbd\(index)"), "autoAttach": false,
      "readOnly": isReadOnly ? true : nil,
    ])
    return ImportedDevice(name: "nbd\(index)", device: device, file: file, warnings: warnings)
  }
}
