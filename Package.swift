// swift-tools-version: 6.2
import PackageDescription

// Arrows point down only: every target lists exactly the layers it may see.
// docs/architecture.md says what each one holds.

let package = Package(
    name: "kvasir",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "kvasir", targets: ["kvasir"]),
        // The cache on its own, for a program that has its own model.
        .library(name: "KVCache", targets: ["KvasirCache", "KvasirCodecs", "KvasirNumerics"]),
        // Load a model and generate text.
        .library(
            name: "Kvasir",
            targets: ["KvasirCache", "KvasirEngine", "KvasirModels", "KvasirNumerics", "KvasirTokenizers"]),
        // No public interface, as the underscore says: for the package in Benchmarks only.
        .library(name: "_CKvasir", targets: ["CKvasir"]),
    ],
    traits: [
        .trait(name: "Server", description: "The OpenAI-compatible HTTP server and 'kvasir serve'."),
        .default(enabledTraits: ["Server"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        .target(name: "CKvasir"),
        .target(name: "KvasirNumerics", dependencies: ["CKvasir"]),
        .target(name: "KvasirJSON"),
        .target(name: "KvasirWeights", dependencies: ["CKvasir", "KvasirJSON"]),
        .target(name: "KvasirTokenizers", dependencies: ["KvasirJSON"]),
        .target(name: "KvasirCodecs", dependencies: ["CKvasir", "KvasirNumerics"]),
        .target(name: "KvasirCache", dependencies: ["CKvasir", "KvasirCodecs", "KvasirNumerics"]),
        .target(
            name: "KvasirModels",
            dependencies: ["CKvasir", "KvasirCache", "KvasirCodecs", "KvasirNumerics", "KvasirWeights"]),
        .target(
            name: "KvasirEngine",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirJSON", "KvasirModels", "KvasirNumerics", "KvasirTokenizers",
                "KvasirWeights",
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "KvasirCalibration",
            dependencies: [
                "CKvasir", "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirEvaluation", "KvasirModels",
                "KvasirNumerics", "KvasirTokenizers",
            ]),
        .target(
            name: "KvasirEvaluation",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirModels", "KvasirNumerics", "KvasirTokenizers",
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        .target(
            name: "KvasirHub",
            dependencies: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                // Subprocess takes its paths; macOS has the module in its SDK.
                .product(name: "SystemPackage", package: "swift-system", condition: .when(platforms: [.linux])),
            ]),
        // Empty without the trait; its dependencies are then not even fetched.
        .target(
            name: "KvasirServer",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirJSON", "KvasirNumerics", "KvasirTokenizers",
                .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Server"])),
                .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Server"])),
                .product(name: "HummingbirdCore", package: "hummingbird", condition: .when(traits: ["Server"])),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["Server"])),
                .product(name: "CoreMetrics", package: "swift-metrics", condition: .when(traits: ["Server"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["Server"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: .when(traits: ["Server"])),
            ]),
        .executableTarget(
            name: "kvasir",
            dependencies: [
                "KvasirCache", "KvasirCalibration", "KvasirCodecs", "KvasirEngine", "KvasirEvaluation", "KvasirHub",
                "KvasirModels", "KvasirNumerics", "KvasirServer", "KvasirTokenizers", "KvasirWeights",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log", condition: .when(traits: ["Server"])),
                .product(
                    name: "ServiceLifecycle", package: "swift-service-lifecycle", condition: .when(traits: ["Server"])),
                .product(name: "UnixSignals", package: "swift-service-lifecycle", condition: .when(traits: ["Server"])),
            ]),
        .target(name: "KvasirTestSupport", path: "Tests/KvasirTestSupport"),
        .testTarget(name: "KvasirNumericsTests", dependencies: ["CKvasir", "KvasirNumerics"]),
        .testTarget(name: "KvasirJSONTests", dependencies: ["KvasirJSON"]),
        .testTarget(
            name: "KvasirWeightsTests", dependencies: ["CKvasir", "KvasirTestSupport", "KvasirWeights"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirTokenizersTests",
            dependencies: ["KvasirJSON", "KvasirTestSupport", "KvasirTokenizers", "KvasirWeights"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirCodecsTests", dependencies: ["CKvasir", "KvasirCodecs", "KvasirNumerics"],
            resources: [.copy("Fixtures")]),
        .testTarget(name: "KvasirCacheTests", dependencies: ["KvasirCache", "KvasirCodecs", "KvasirNumerics"]),
        .testTarget(
            name: "KvasirModelsTests",
            dependencies: [
                "CKvasir", "KvasirCache", "KvasirCodecs", "KvasirModels", "KvasirNumerics", "KvasirTestSupport",
                "KvasirWeights",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirEngineTests",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirModels", "KvasirNumerics", "KvasirTokenizers",
                "KvasirWeights",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirCalibrationTests",
            dependencies: [
                "CKvasir", "KvasirCache", "KvasirCalibration", "KvasirCodecs", "KvasirEngine", "KvasirEvaluation",
                "KvasirModels", "KvasirNumerics",
            ]),
        .testTarget(
            name: "KvasirEvaluationTests",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirEvaluation", "KvasirModels", "KvasirNumerics",
                "KvasirTestSupport", "KvasirTokenizers",
            ],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirHubTests",
            dependencies: [
                "KvasirHub",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
            ]),
        .testTarget(
            name: "KvasirServerTests",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirJSON", "KvasirNumerics", "KvasirServer",
                "KvasirTestSupport", "KvasirTokenizers",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTesting", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .testTarget(
            name: "KvasirCommandTests",
            dependencies: [
                "kvasir", "KvasirCache", "KvasirCodecs", "KvasirTestSupport",
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system", condition: .when(platforms: [.linux])),
            ],
            // The snapshots are read where they are written.
            exclude: ["Snapshots"], resources: [.copy("Fixtures")]),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)

for target in package.targets where target.name != "CKvasir" {
    target.swiftSettings = [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ]
}
