// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The nbdd authors

import PackageDescription

// Lets tests take out rules of the relay; never in a release, unless it is built for a test.
let switches: SwiftSetting =
  Context.environment["NBDD_TEST_SWITCHES"] == nil
  ? .define("TEST_SWITCHES", .when(configuration: .debug)) : .define("TEST_SWITCHES")

let strict: [SwiftSetting] = [
  switches,
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
]

// The same for C.
let cSwitches: CSetting =
  Context.environment["NBDD_TEST_SWITCHES"] == nil
  ? .define("TEST_SWITCHES", .when(configuration: .debug)) : .define("TEST_SWITCHES")

// Makes accept4, ucred, gettid, pthread_setname_np and their like visible to Swift.
let gnu: [CSetting] = [.define("_GNU_SOURCE"), cSwitches]

let package = Package(
  name: "nbdd",
  products: [
    .executable(name: "nbdd", targets: ["nbdd"]),
    .executable(name: "nbdd-keeper", targets: ["nbdd-keeper"]),
    .executable(name: "nbdctl", targets: ["nbdctl"]),
  ],
  dependencies: [
    // Help and completions in Tests/Golden are as this minor version writes them.
    .package(url: "https://github.com/apple/swift-argument-parser", .upToNextMinor(from: "1.8.2"))
  ],
  targets: [
    // C names that Swift cannot see otherwise, and what only C can do.
    .target(name: "CLinux", cSettings: gnu),
    .systemLibrary(
      name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
    .systemLibrary(
      name: "CGnuTLS", pkgConfig: "gnutls", providers: [.apt(["libgnutls28-dev"])]),

    // Pure: no I/O.
    .target(name: "Base", swiftSettings: strict),
    .target(name: "NBD", dependencies: ["Base"], swiftSettings: strict),
    .target(
      name: "Varlink", dependencies: ["Base"],
      resources: [.embedInCode("Interfaces/org.varlink.service.varlink")],
      swiftSettings: strict),
    // What nbdd and its clients say to each other.
    .target(
      name: "ControlAPI", dependencies: ["Base", "Varlink"],
      resources: [.embedInCode("org.nbdd.varlink")],
      swiftSettings: strict),

    // System calls.
    .target(
      name: "Linux", dependencies: ["Base", "CLinux"], cSettings: gnu, swiftSettings: strict),
    // The kernel's side of a device.
    .target(
      name: "BlockDevice", dependencies: ["Base", "CLinux", "Linux", "NBD"], cSettings: gnu,
      swiftSettings: strict),

    // One GnuTLS session over an owned socket.
    .target(
      name: "TLS", dependencies: ["Base", "CGnuTLS", "Linux"], cSettings: gnu,
      swiftSettings: strict),

    // One negotiated stream to a server.
    .target(
      name: "Transport", dependencies: ["Base", "Linux", "NBD", "TLS"], cSettings: gnu,
      swiftSettings: strict),

    // Between the sockets that the kernel holds and connections that come and go.
    .target(
      name: "Relay", dependencies: ["Base", "Linux", "NBD", "Transport"], cSettings: gnu,
      swiftSettings: strict),

    // What nbdd and nbdd-keeper say to each other.
    .target(
      name: "Keeper", dependencies: ["Base", "Linux"], cSettings: gnu, swiftSettings: strict),

    // Everything that nbdd is; the program only starts it.
    .target(
      name: "Daemon",
      dependencies: [
        "Base", "BlockDevice", "ControlAPI", "CSystemd", "Keeper", "Linux", "NBD", "Relay", "TLS",
        "Transport", "Varlink",
      ],
      cSettings: gnu,
      swiftSettings: strict + [.defaultIsolation(MainActor.self)]),

    // The programs.
    .executableTarget(
      name: "nbdd", dependencies: ["Daemon"],
      swiftSettings: strict + [.defaultIsolation(MainActor.self)]),
    .executableTarget(
      name: "nbdd-keeper", dependencies: ["Base", "BlockDevice", "Keeper", "Linux"],
      cSettings: gnu, swiftSettings: strict),
    .executableTarget(
      name: "nbdctl",
      dependencies: [
        "Base", "BlockDevice", "ControlAPI", "Linux", "NBD", "TLS", "Transport", "Varlink",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      resources: [
        .embedInCode("Configuration/device.schema.json"),
        .embedInCode("Configuration/nbdd.schema.json"),
      ],
      cSettings: gnu,
      swiftSettings: strict),

    // What the tests of several targets need.
    .target(
      name: "TestSupport", dependencies: ["Base", "Linux"], path: "Tests/Support", cSettings: gnu,
      swiftSettings: strict),
    .testTarget(name: "BaseTests", dependencies: ["Base"], swiftSettings: strict),
    .testTarget(
      name: "LinuxTests", dependencies: ["Base", "CLinux", "Linux", "TestSupport"], cSettings: gnu,
      swiftSettings: strict),
    .testTarget(
      name: "BlockDeviceTests", dependencies: ["BlockDevice", "Linux", "TestSupport"],
      cSettings: gnu, swiftSettings: strict),
    .testTarget(
      name: "DaemonTests",
      dependencies: [
        "Base", "BlockDevice", "ControlAPI", "Daemon", "Linux", "NBD", "TestSupport", "Transport",
        "Varlink",
      ],
      cSettings: gnu,
      swiftSettings: strict + [.defaultIsolation(MainActor.self)]),
    .testTarget(
      name: "nbdctlTests",
      dependencies: [
        "nbdctl", "Base", "ControlAPI", "NBD", "TestSupport", "Varlink",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      cSettings: gnu,
      swiftSettings: strict),
    .testTarget(
      name: "LoopbackTests",
      dependencies: [
        "nbdd", "nbdd-keeper", "nbdctl", "Base", "ControlAPI", "Keeper", "Linux", "NBD",
        "TestSupport", "Transport", "Varlink",
      ],
      exclude: ["man_in_the_middle.py"], cSettings: gnu, swiftSettings: strict),
    .testTarget(
      name: "NBDTests", dependencies: ["Base", "NBD", "TestSupport"], swiftSettings: strict),
    .executableTarget(
      name: "relay-process", dependencies: ["Linux", "NBD", "Relay", "Transport"],
      path: "Tests/RelayProcess", cSettings: gnu, swiftSettings: strict),
    .testTarget(
      name: "RelayTests",
      dependencies: [
        "relay-process", "Base", "CLinux", "Linux", "NBD", "Relay", "TestSupport", "TLS",
        "Transport",
      ],
      cSettings: gnu, swiftSettings: strict),
    .testTarget(
      name: "TLSTests", dependencies: ["Base", "Linux", "TestSupport", "TLS"], exclude: ["peer.py"],
      cSettings: gnu, swiftSettings: strict),
    .testTarget(
      name: "VarlinkTests", dependencies: ["ControlAPI", "TestSupport", "Varlink"],
      swiftSettings: strict),
  ]
)

// For `make bench` alone: nobody who builds or installs the programs gets it.
if Context.environment["NBDD_BENCHMARKS"] != nil {
  package.targets += [
    .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
    .executableTarget(
      name: "relay-bench",
      dependencies: [
        "Base", "CAllocations", "Linux", "NBD", "Relay", "Transport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Benchmarks/relay-bench", cSettings: gnu, swiftSettings: strict),
  ]
}

// For Tests/History alone.
if Context.environment["NBDD_TEST_SWITCHES"] != nil {
  package.targets += [
    .target(name: "MutexWatch", path: "Tests/History/MutexWatch"),
    .executableTarget(
      name: "history",
      dependencies: ["Base", "Linux", "MutexWatch", "NBD", "Relay", "TestSupport", "Transport"],
      path: "Tests/History", exclude: ["MutexWatch", "run"], cSettings: gnu,
      swiftSettings: strict),
  ]
}
