// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

/// The description that a Varlink service gives of itself: its vendor and its interfaces.
package struct ServiceDescription: Sendable, Equatable {
  /// The vendor of the service.
  package let vendor: String
  package let product: String
  package let version: String
  package let url: String

  /// The interfaces, `org.varlink.service` first.
  package let interfaces: [Interface]

  /// Describes a service with the interfaces of these texts and `org.varlink.service`.
  package init(
    vendor: String, product: String, version: String, url: String, interfaces texts: [String]
  ) throws(InterfaceError) {
    self.vendor = vendor
    self.product = product
    self.version = version
    self.url = url
    var interfaces = [try Interface(parsing: InterfaceText.service)]
    for text in texts { interfaces.append(try Interface(parsing: text)) }
    self.interfaces = interfaces
  }

  /// The interface of that name.
  package func interface(named name: String) -> Interface? {
    interfaces.first { $0.name.isIdentical(to: name) }
  }

  /// Returns the reply to a call if the interfaces alone determine it; nil if the service has to act.
  ///
  /// That includes the replies of `GetInfo` and `GetInterfaceDescription`, and the errors for an unknown
  /// interface or method and for parameters that do not fit the method's definition. If it returns nil,
  /// the method exists, belongs to another interface than `org.varlink.service`, and its parameters fit.
  package func answer(_ call: Call) -> Reply? {
    guard let name = QualifiedName(call.method) else { return .methodNotFound(call.method) }
    guard let interface = interface(named: name.interface) else {
      return .interfaceNotFound(name.interface)
    }
    guard interface.method(named: name.member) != nil else { return .methodNotFound(call.method) }
    let problems = interface.problems(inParameters: call.parameters, of: name.member)
    if let problem = problems.first { return .invalidParameter(problem.path) }
    switch call.method {
    case "org.varlink.service.GetInfo":
      return Reply(parameters: [
        "vendor": JSON(vendor), "product": JSON(product), "version": JSON(version),
        "url": JSON(url), "interfaces": JSON(interfaces.map(\.name)),
      ])
    case "org.varlink.service.GetInterfaceDescription":
      let name = call.parameters["interface"]?.string ?? ""
      guard let interface = self.interface(named: name) else { return .interfaceNotFound(name) }
      return Reply(parameters: ["description": JSON(interface.text)])
    default:
      return nil
    }
  }
}

/// The errors of `org.varlink.service`.
extension Reply {
  /// Takes the interface's name.
  package static func interfaceNotFound(_ name: String) -> Reply {
    .serviceError("InterfaceNotFound", ["interface": JSON(name)])
  }

  /// Takes the method's full name.
  package static func methodNotFound(_ name: String) -> Reply {
    .serviceError("MethodNotFound", ["method": JSON(name)])
  }

  /// Takes the method's full name.
  package static func methodNotImplemented(_ name: String) -> Reply {
    .serviceError("MethodNotImplemented", ["method": JSON(name)])
  }

  /// Takes the path of the parameter, for example "context.mount.path".
  package static func invalidParameter(_ path: String) -> Reply {
    .serviceError("InvalidParameter", ["parameter": JSON(path)])
  }

  /// For a caller that is not allowed to call the method.
  package static var permissionDenied: Reply { .serviceError("PermissionDenied", [:]) }

  /// For a call without `more` of a method that needs it.
  package static var expectedMore: Reply { .serviceError("ExpectedMore", [:]) }

  private static func serviceError(_ name: String, _ parameters: JSON) -> Reply {
    Reply(parameters: parameters, error: "org.varlink.service.\(name)")
  }
}
