import KvasirJSON
import Testing

@testable import KvasirTokenizers

@Suite("Hugging Face's tokenizer files")
struct TokenizerFileTests {
    @Test("give the reference library's ids", arguments: TokenizerFileFixture.huggingFace)
    func reference(_ name: String) throws {
        let tokenizer = try TokenizerFileFixture.huggingFace(name)
        let inputs = try Fixture.inputs()
        let expected = try #require(try TokenizerFileFixture.expected()["hf-\(name)"])
        #expect(expected.ids.count > 60)
        for (label, ids) in expected.ids {
            let bytes = try #require(inputs[label])
            #expect(tokenizer.encode(bytes, addSpecial: false, parseSpecial: true) == ids, "\(label)")
        }
        #expect(tokenizer.encode("x", addSpecial: true, parseSpecial: false) == expected.around)
        for (label, text) in expected.decoded ?? [:] {
            let ids = try #require(expected.ids[label])
            #expect(tokenizer.decode(ids, skipSpecial: false, startsText: true) == text, "\(label)")
        }
    }

    @Test("in the older form give the same ids")
    func vocabularyAndMerges() throws {
        let settings = TokenizerSettings(
            configuration: try json(
                #"""
                {"add_bos_token":true,"tokenizer_class":"GPT2Tokenizer","bos_token":{"content":"</s>"},
                 "eos_token":"</s>","unk_token":"</s>",
                 "additional_special_tokens":["<|im_start|>","<|im_end|>"]}
                """#))
        let tokenizer = try TokenizerVocabulary(
            vocabularyJSON: TokenizerFileFixture.file("hf-gpt2.vocab.json"),
            merges: TokenizerFileFixture.file("hf-gpt2.merges.txt"), settings: settings
        ).tokenizer()
        let inputs = try Fixture.inputs()
        for (label, ids) in try #require(try TokenizerFileFixture.expected()["hf-gpt2"]).ids
        where !label.contains("user-defined") {
            let bytes = try #require(inputs[label])
            #expect(tokenizer.encode(bytes, addSpecial: false, parseSpecial: true) == ids, "\(label)")
        }
        #expect(tokenizer.bosID == 0 && tokenizer.eosID == 0)
        #expect(tokenizer.encode("", addSpecial: true, parseSpecial: false) == [0])
        #expect(tokenizer.endOfGenerationIDs.contains(try #require(tokenizer.id(of: "<|im_end|>"))))
    }

    @Test("take added tokens and settings of the folder")
    func settings() throws {
        let settings = TokenizerSettings(
            configuration: try json(
                #"{"add_bos_token":false,"bos_token":"<|im_start|>","eos_token":"<|im_end|>","pad_token":null}"#),
            specialTokens: try json(#"{"bos_token":"</s>","pad_token":{"content":"</s>"}}"#))
        let tokenizer = try TokenizerVocabulary(
            tokenizerJSON: TokenizerFileFixture.file("hf-llama3.json"), settings: settings
        ).tokenizer()
        #expect(tokenizer.bosID == tokenizer.id(of: "<|im_start|>"))
        #expect(tokenizer.eosID == tokenizer.id(of: "<|im_end|>"))
        #expect(tokenizer.paddingID == tokenizer.id(of: "</s>"))
        #expect(!tokenizer.addsBOS)
    }

    @Test("that ask for something else are refused with what it is")
    func unsupported() throws {
        let vocabulary = #""model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}"#
        let level = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#
        for (members, name) in [
            (#""pre_tokenizer":{"type":"Whitespace"}"#, "Whitespace"),
            (#""normalizer":{"type":"Lowercase"}"#, "Lowercase"),
            (#""normalizer":{"type":"Precompiled","precompiled_charsmap":"AA=="}"#, "Precompiled"),
            (#""pre_tokenizer":{"type":"ByteLevel","add_prefix_space":true}"#, "space before"),
            (#""pre_tokenizer":\#(level),"normalizer":{"type":"NFKC"}"#, "NFKC"),
            (#""pre_tokenizer":\#(level),"post_processor":{"type":"BertProcessing"}"#, "BertProcessing"),
            (#""pre_tokenizer":\#(level),"added_tokens":[{"id":2,"content":"c","lstrip":true}]"#, "lstrip"),
            (
                #""pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a+b"},"#
                    + #""behavior":"Isolated"},\#(level)]}"#, "a+b"
            ),
            (#""pre_tokenizer":null"#, "U+2581"),
        ] {
            let error = #expect(throws: TokenizerFileError.self, "\(members)") {
                try TokenizerVocabulary(tokenizerJSON: file("{\(members),\(vocabulary)}"))
            }
            #expect(error?.reason == .unsupported, "\(members)")
            #expect(error?.description.contains(name) == true, "\(error?.description ?? "")")
        }
        for type in ["WordPiece", "WordLevel"] {
            let error = #expect(throws: TokenizerFileError.self) {
                try TokenizerVocabulary(tokenizerJSON: file(#"{"model":{"type":"\#(type)","vocab":{}}}"#))
            }
            #expect(error?.description.contains(type) == true)
        }
    }

    @Test("that are damaged are errors or harmless")
    func damage() throws {
        for text in [
            "", "[]", "{", #"{"model":{}}"#, #"{"model":{"type":"BPE","vocab":[]}}"#,
            #"{"model":{"type":"BPE","vocab":{"a":-1}}}"#, #"{"model":{"type":"BPE","vocab":{"a":16000000}}}"#,
            #"{"model":{"type":"BPE","vocab":{"a":0.5}}}"#,
        ] {
            let level = #"{"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"#
            let text = text.hasPrefix("{\"") ? level + text.dropFirst() : text
            let error = #expect(throws: TokenizerFileError.self, "\(text)") {
                try TokenizerVocabulary(tokenizerJSON: file(text))
            }
            #expect(error?.reason == .malformed, "\(text)")
        }
        let bytes = try TokenizerFileFixture.bytes("hf-llama.json")
        var generator = SeededGenerator(seed: 14)
        var opened = 0
        for _ in 0..<300 {
            var bytes = bytes
            bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0x20...0x7E, using: &generator)
            do {
                let tokenizer = try TokenizerVocabulary(tokenizerJSON: FileBytes(path: "t", bytes)).tokenizer()
                _ = tokenizer.encode("some text", addSpecial: true, parseSpecial: true)
                opened += 1
            } catch is TokenizerFileError {
            } catch is TokenizerError {
            }
        }
        #expect((10..<290).contains(opened))
    }

    private func file(_ text: String) -> FileBytes { FileBytes(path: "tokenizer.json", Array(text.utf8)) }

    private func json(_ text: String) throws -> JSONValue {
        try Array(text.utf8).withUnsafeBytes { try JSONValue(parsing: $0) }
    }
}
