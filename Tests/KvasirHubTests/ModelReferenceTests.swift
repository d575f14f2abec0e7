import Testing

@testable import KvasirHub

@Suite struct ModelReferenceTests {
    @Test(arguments: ["smollm2-135m", "SmolLM2-135M", "smollm2-135m-instruct", "default"])
    func namesAndAliasesMeanTheCatalogModelInAnyCase(_ text: String) throws {
        #expect(try ModelReference(text) == .catalog(ModelCatalog.builtIn.defaultModel))
    }

    @Test(arguments: ["model.gguf", "./smollm2-135m", "/tmp/a b.gguf", "dir/model", "smollm2"])
    func anythingElseIsAPath(_ text: String) throws {
        #expect(try ModelReference(text) == .path(text))
    }

    @Test func hubReferencesHaveOwnerRepositoryAndFile() throws {
        guard case .hub(let whole) = try ModelReference("hf:some-one/A_model.v2"),
            case .hub(let file) = try ModelReference("hf:some-one/A_model.v2:sub/x:y Q4.gguf")
        else {
            Issue.record("not read as hub references")
            return
        }
        #expect(whole.owner == "some-one")
        #expect(whole.repository == "A_model.v2")
        #expect(whole.file == nil)
        #expect(file.file == "sub/x:y Q4.gguf")
        #expect(file.description == "hf:some-one/A_model.v2:sub/x:y Q4.gguf")
    }

    @Test(arguments: [
        "hf:", "hf:owner", "hf:/repo", "hf:owner/", "hf:owner/repo:", "hf:../repo", "hf:owner/..", "hf:ow ner/repo",
        "hf:owner/repo\u{0}", "hf:-x/repo", "hf:owner/r%2e", "hf:a/b/c/", "", "https://example.org/a.gguf", "a\u{0}b",
    ])
    func malformedReferencesAreRefused(_ text: String) {
        #expect { try ModelReference(text) } throws: { ($0 as? HubError)?.reason == .malformedReference }
    }

    @Test func aSlashInsteadOfTheColonIsPointedOut() {
        #expect { try ModelReference("hf:owner/repo/sub/x.gguf") } throws: {
            ($0 as? HubError)?.remedy == "write hf:owner/repo:sub/x.gguf"
        }
    }

    @Test(arguments: [
        "../x.gguf", "a/../../x.gguf", "/etc/passwd", "a//b", "./a", "a/.", "a\\..\\b", "a\u{0}b", "a\nb", "..", "a/",
        String(repeating: "x", count: 256), String(repeating: "x/", count: 600) + "x",
    ])
    func fileNamesThatLeaveTheStoreAreRefused(_ name: String) throws {
        #expect { try ModelReference("hf:owner/repo:\(name)") } throws: { ($0 as? HubError)?.reason == .unsafeFileName }
        let hub = try #require(try HubReference("hf:owner/repo"))
        #expect { try hub.naming(file: name) } throws: { error in
            guard let error = error as? HubError else { return false }
            return error.reason == .unsafeFileName && !error.description.contains("\n")
        }
    }

    @Test(arguments: [
        ("smollm-135m", "smollm2-135m"), ("SmolLM2-135", "smollm2-135m"), ("defualt", "smollm2-135m"),
    ])
    func theNearestNameCountsAliasesToo(_ typed: String, _ expected: String) {
        #expect(ModelCatalog.builtIn.nearestName(to: typed) == expected)
    }

    @Test func theNearestNameIsTheOneFewestEditsAway() {
        let wheel = WheelSource(distribution: "d", version: "1", member: "m", wheelBytes: 1)
        let catalog = ModelCatalog(
            ["alpha-1b", "beta-7b", "gamma-2b"].map {
                CatalogModel(name: $0, aliases: [], fileName: "\($0).gguf", bytes: 1, sha256: "", wheel: wheel)
            })
        #expect(catalog.nearestName(to: "beta7b") == "beta-7b")
        #expect(catalog.nearestName(to: "gama-2b") == "gamma-2b")
        #expect(catalog.nearestName(to: "ALPHA") == "alpha-1b")
    }

    @Test func theDefaultModelIsTheOneTheDocumentationNames() {
        let model = ModelCatalog.builtIn.defaultModel
        #expect(model.fileName == "SmolLM2-135M-Instruct.Q4_1.gguf")
        #expect(model.sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
        #expect(Checksum.isSHA256(model.sha256))
    }
}
