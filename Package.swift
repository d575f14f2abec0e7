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
        .library(name: "Kvasir", targets: ["KvasirEngine"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        .target(name: "CKvasir"),
        .target(name: "KvasirNumerics", dependencies: ["CKvasir"]),
        .target(name: "KvasirWeights", dependencies: ["CKvasir"]),
        .target(name: "KvasirTokenizers"),
        .target(name: "KvasirCodecs", dependencies: ["CKvasir", "KvasirNumerics"]),
        .target(name: "KvasirCache", dependencies: ["CKvasir", "KvasirCodecs", "KvasirNumerics"]),
        .target(
            name: "KvasirModels",
            dependencies: ["CKvasir", "KvasirCache", "KvasirCodecs", "KvasirNumerics", "KvasirWeights"]),
        .target(
            name: "KvasirEngine",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirModels", "KvasirNumerics", "KvasirTokenizers", "KvasirWeights",
            ]),
        .target(
            name: "KvasirEvaluation",
            dependencies: ["KvasirCache", "KvasirEngine", "KvasirModels", "KvasirTokenizers"]),
        .target(name: "KvasirHub"),
        .executableTarget(
            name: "kvasir",
            dependencies: [
                "KvasirCache", "KvasirCodecs", "KvasirEngine", "KvasirEvaluation", "KvasirHub", "KvasirModels",
                "KvasirNumerics", "KvasirTokenizers", "KvasirWeights",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(name: "KvasirNumericsTests", dependencies: ["CKvasir", "KvasirNumerics"]),
        .testTarget(
            name: "KvasirWeightsTests", dependencies: ["CKvasir", "KvasirWeights"], resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirTokenizersTests", dependencies: ["KvasirTokenizers"], resources: [.copy("Fixtures")]),
        .testTarget(name: "KvasirCodecsTests", dependencies: ["CKvasir", "KvasirCodecs", "KvasirNumerics"]),
        .testTarget(name: "KvasirCacheTests", dependencies: ["KvasirCache", "KvasirCodecs", "KvasirNumerics"]),
        .testTarget(
            name: "KvasirModelsTests",
            dependencies: ["CKvasir", "KvasirCache", "KvasirModels", "KvasirNumerics", "KvasirWeights"],
            resources: [.copy("Fixtures")]),
        .testTarget(
            name: "KvasirEngineTests", dependencies: ["KvasirEngine", "KvasirNumerics"],
            resources: [.copy("Fixtures")]),
        .testTarget(name: "KvasirEvaluationTests", dependencies: ["KvasirEvaluation"]),
        .testTarget(name: "KvasirHubTests", dependencies: ["KvasirHub"]),
        .testTarget(name: "KvasirCommandTests", dependencies: ["kvasir"]),
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
