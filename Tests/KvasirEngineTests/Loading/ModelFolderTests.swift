import Foundation
import KvasirCache
import KvasirEngine
import KvasirModels
import KvasirNumerics
import KvasirTokenizers
import KvasirWeights
import Testing

/// Model folders as they are published, whole and broken.
struct ModelFolderTests {
    private func failure(_ change: (inout TinyFolder) -> Void) throws -> String {
        var folder = TinyFolder()
        change(&folder)
        do {
            _ = try folder.load()
            Issue.record("the folder was loaded")
            return ""
        } catch {
            let text = "\(error)"
            #expect(!text.contains("\n"))
            return text
        }
    }

    @Test func aFolderRuns() throws {
        let texts = try [false, true].map { isSharded in
            var folder = TinyFolder()
            folder.isSharded = isSharded
            let model = try folder.load()
            #expect(model.fileName == "tiny-llama")
            #expect(model.decoder.info.vocabularySize == TinyFolder.vocabularySize)
            #expect(model.tokenizer.endOfGenerationIDs == [0])
            let engine = try InferenceEngine(
                model: model, cache: CacheConfiguration(parsing: "f32"), threads: ThreadPool(),
                instructionSet: .best, precision: .float32)
            let prompt = model.tokenizer.encode("the end", addSpecial: true, parseSpecial: false)
            return try GenerationSession(engine).generate(
                .init(prompt: prompt, sampling: .greedy, maxTokens: 8)
            ).tokens
        }
        #expect(!texts[0].isEmpty)
        #expect(texts[0] == texts[1])
    }

    @Test func settingsBesideTheWeightsCount() throws {
        var folder = TinyFolder()
        folder.files["generation_config.json"] = Data(#"{"eos_token_id":[3,4]}"#.utf8)
        folder.files["tokenizer_config.json"] = Data(
            #"""
            {"add_bos_token":true,"bos_token":"</s>","chat_template":[{"name":"other","template":"x"},
             {"name":"default","template":"<|im_start|><|im_end|>"}]}
            """#.utf8)
        let model = try folder.load()
        #expect(model.tokenizer.endOfGenerationIDs.isSuperset(of: [0, 3, 4]))
        #expect(model.tokenizer.encode("x", addSpecial: true, parseSpecial: false).first == 0)
        #expect(try model.chatTemplate().family == .chatML)

        folder.files["chat_template.jinja"] = Data("<|start_header_id|><|eot_id|>".utf8)
        folder.files["tokenizer.json"] = try TinyFolder.fixture("hf-qwen2.json")
        let other = try folder.load()
        #expect((other.tokenizer as? BytePairTokenizer)?.preTokenizer == .qwen2)
        #expect(try other.chatTemplate().family == .llama3)
    }

    @Test func sentencePieceModelsAreTokenizersToo() throws {
        var folder = TinyFolder()
        folder.hasTokenizer = false
        folder.files["tokenizer.model"] = try TinyFolder.fixture("spm-unigram.model")
        let tokenizer = try folder.load().tokenizer
        #expect(tokenizer is SentencePieceTokenizer)
        #expect(tokenizer.addsBOS)
    }

    @Test func whatIsMissingIsNamed() throws {
        #expect(
            try failure { $0.hasTokenizer = false }.contains("no tokenizer: expected tokenizer.json, tokenizer.model"))
        #expect(try failure { $0.tensors.removeLast(2) }.contains("norm.weight"))
        let folder = TinyFolder()
        try folder.with { url in
            try FileManager.default.removeItem(at: url.appending(path: "model.safetensors"))
            try Data([1]).write(to: url.appending(path: "pytorch_model.bin"))
            let error = #expect(throws: SafetensorsError.self) {
                try LanguageModel(path: url.path, threads: ThreadPool())
            }
            #expect(error?.reason == .pickle)
            try FileManager.default.removeItem(at: url.appending(path: "config.json"))
            let missing = #expect(throws: EngineError.self) {
                try LanguageModel(path: url.path, threads: ThreadPool())
            }
            #expect(missing?.reason == .missingFile)
            #expect(missing?.received.hasSuffix("no config.json") == true)
        }
        try folder.with { url in
            let file = url.appending(path: "model.safetensors").path
            let error = #expect(throws: EngineError.self) { try LanguageModel(path: file, threads: ThreadPool()) }
            #expect(error?.reason == .missingFile)
        }
    }

    @Test func aConfigurationThatContradictsTheTensorsIsRefused() throws {
        let shape = try failure { $0.tensors[2].shape = [32, 64] }
        #expect(shape.contains("self_attn.q_proj.weight") && shape.contains("[64, 32]") && shape.contains("[64, 64]"))
        #expect(try failure { $0.configuration["vocab_size"] = 641 }.contains("641"))
        #expect(try failure { $0.configuration["num_hidden_layers"] = 2 }.contains("layers.1"))
        #expect(try failure { $0.tensors.append(.init(name: "model.extra.weight", shape: [2])) }.contains("extra"))
        #expect(try failure { $0.configuration["hidden_size"] = "64" }.contains("expected an integer, found string"))
        #expect(try failure { $0.configuration["eos_token_id"] = 100_000 }.contains("eos_token_id = 100000"))
        // More tokens than the embedding has rows.
        let small = try failure { folder in
            folder.configuration["vocab_size"] = 512
            folder.tensors[0].shape = [512, 64]
            folder.tensors[11].shape = [512, 64]
        }
        #expect(small.contains("tokens") && small.contains("512"))
    }

    @Test func anUnknownFamilyListsTheKnownOnes() throws {
        let text = try failure { $0.configuration["model_type"] = "mamba" }
        #expect(text.contains("model_type = mamba"))
        for name in ModelLoader.architectures(.huggingFace) { #expect(text.contains(name)) }
        #expect(try failure { $0.configuration["model_type"] = nil }.contains("model_type"))
        #expect(try failure { $0.files["config.json"] = Data("{".utf8) }.contains("config.json"))
    }
}
