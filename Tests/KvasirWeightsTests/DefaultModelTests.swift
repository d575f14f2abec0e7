import KvasirTestSupport
import KvasirWeights
import Testing

/// Against the default model, where it has been fetched.
@Suite(.enabled(if: TestResources.defaultModelPath != nil, "set KVASIR_TEST_MODEL to the default model's path"))
struct DefaultModelTests {
    private let file: GGUFFile

    init() throws { file = try GGUFFile(path: #require(TestResources.defaultModelPath)) }

    @Test func theHeaderIsThatOfSmolLM2() throws {
        #expect(file.version == 3)
        #expect(try file.metadata.string(forKey: "general.architecture") == "llama")
        #expect(try file.metadata.integer(forKey: "llama.block_count") == 30)
        #expect(try file.metadata.integer(forKey: "llama.embedding_length") == 576)
        #expect(try file.metadata.strings(forKey: "tokenizer.ggml.tokens").count == 49_152)
        #expect(try file.metadata.strings(forKey: "tokenizer.ggml.merges").count == 48_900)
        #expect(file.tensors.count == 272)
        let embedding = try file.tensor(named: "token_embd.weight")
        #expect(embedding.shape == [576, 49_152])
    }

    @Test func everyTensorHoldsFiniteValues() throws {
        for tensor in file.tensors {
            var row = [Float](repeating: .nan, count: tensor.columns)
            for index in [0, tensor.rows / 2, tensor.rows - 1] {
                row.withUnsafeMutableBufferPointer { tensor.dequantizedRow(index, into: $0) }
                #expect(row.allSatisfy { $0.isFinite }, "\(tensor.name)")
                #expect(row.contains { $0 != 0 }, "\(tensor.name)")
            }
        }
    }
}
