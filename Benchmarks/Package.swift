// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that neither its targets nor its dependencies enter the build of a program that uses Kvasir.

let package = Package(
    name: "kvasir-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        // By name: the identity of a package at a path is the folder's name, and that is anyone's choice.
        .package(name: "kvasir", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        .target(name: "CMachineLimits", dependencies: [.product(name: "_CKvasir", package: "kvasir")]),
        .target(
            name: "KernelBenchmarks",
            dependencies: [
                "CMachineLimits",
                .product(name: "KVCache", package: "kvasir"),
                .product(name: "_CKvasir", package: "kvasir"),
            ]),
        .executableTarget(
            name: "kernel-bench",
            dependencies: [
                "KernelBenchmarks",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "KVCache", package: "kvasir"),
            ]),
        .testTarget(
            name: "KernelBenchmarksTests",
            dependencies: ["KernelBenchmarks", .product(name: "KVCache", package: "kvasir")]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)

for target in package.targets where target.name != "CMachineLimits" {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
}
