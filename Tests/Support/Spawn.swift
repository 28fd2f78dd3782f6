// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

package import Base
package import Glibc
package import Linux

/// Where a program of this package is: beside the tests, which are built with it.
package func builtProgram(_ name: String) -> String {
  let own = File.realPath("/proc/self/exe").split(separator: "/").dropLast()
  return "/" + (own + [name[...]]).joined(separator: "/")
}

/// Where a standard stream of a program leads.
package enum StandardStreamTarget {
  case nowhere
  /// A file, which is created if it is missing, and appended to.
  case file(String)
  case descriptor(Descriptor)
}

/// Starts a program found in PATH that runs beside a test, which has to end and reap it.
///
/// It has no environment but PATH, unless another one is given: proxies and home folders are of no use to it.
package func spawn(
  _ arguments: [String], environment: [String: String]? = nil,
  input: StandardStreamTarget = .nowhere, output: StandardStreamTarget = .nowhere,
  errors: StandardStreamTarget = .nowhere
) throws(SystemError) -> pid_t {
  var actions = unsafe posix_spawn_file_actions_t()
  unsafe posix_spawn_file_actions_init(&actions)
  defer { unsafe posix_spawn_file_actions_destroy(&actions) }
  for (number, target) in [input, output, errors].enumerated() {
    let (number, flags) = (CInt(number), number == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND)
    switch target {
    case .nowhere:
      unsafe posix_spawn_file_actions_addopen(&actions, number, "/dev/null", flags, 0)
    case .file(let path):
      unsafe posix_spawn_file_actions_addopen(&actions, number, path, flags, 0o600)
    case .descriptor(let descriptor):
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor.number, number)
    }
  }

  // Threads of the tests block signals, and nohup(1) has one ignored; the program must not inherit
  // that.
  var attributes = posix_spawnattr_t()
  unsafe posix_spawnattr_init(&attributes)
  defer { unsafe posix_spawnattr_destroy(&attributes) }
  var signals = sigset_t()
  unsafe sigemptyset(&signals)
  unsafe posix_spawnattr_setsigmask(&attributes, &signals)
  unsafe sigfillset(&signals)
  unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
  unsafe posix_spawnattr_setflags(
    &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

  var strings = unsafe arguments.map { unsafe strdup($0) } + [nil]
  defer { unsafe strings.forEach { unsafe free($0) } }
  let path = ["PATH": Environment["PATH"] ?? "/usr/bin:/usr/sbin"]
  var variables = unsafe (environment ?? path).map { unsafe strdup("\($0)=\($1)") } + [nil]
  defer { unsafe variables.forEach { unsafe free($0) } }
  var process = pid_t()
  let result = unsafe posix_spawnp(
    &process, arguments[0], &actions, &attributes, &strings, &variables)
  guard result == 0 else { throw SystemError(arguments[0], result) }
  return process
}
