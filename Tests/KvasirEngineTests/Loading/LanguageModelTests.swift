import KvasirEngine
import KvasirModels
import KvasirTokenizers
import Testing

/// Tokenizer and chat template come out of a model file as its maker put them in.
struct LanguageModelTests {
    @Test(arguments: TinyModel.allCases)
    func textsHaveTheIdsOfTheReference(tiny: TinyModel) throws {
        let tokenizer = try tiny.load().tokenizer
        for expected in try tiny.description().texts {
            let ids = tokenizer.encode(expected.text, addSpecial: false, parseSpecial: true)
            #expect(ids == expected.ids)
            #expect(tokenizer.decode(ids, skipSpecial: false) == expected.text)
        }
    }

    @Test func idsAreThoseOfTheFile() throws {
        let model = try TinyModel.tied.load()
        #expect(model.tokenizer.vocabularySize == 267)
        #expect(model.decoder.info.vocabularySize == 267)
        #expect(model.tokenizer.bosID == 1)
        #expect(model.tokenizer.eosID == 2)
        #expect(model.tokenizer.unknownID == 0)
        // <|endoftext|> and <|im_end|>, by their texts.
        #expect(model.tokenizer.endOfGenerationIDs == [0, 2])
        #expect((model.tokenizer as? BytePairTokenizer)?.preTokenizer == .smollm)
    }

    @Test func firstTokenIsAddedWhereTheFileSaysSo() throws {
        for (tiny, expected) in [(TinyModel.tied, []), (.separate, [1])] as [(TinyModel, [Int32])] {
            let tokenizer = try tiny.load().tokenizer
            let plain = tokenizer.encode("the", addSpecial: false, parseSpecial: false)
            #expect(tokenizer.encode("the", addSpecial: true, parseSpecial: false) == expected + plain)
        }
    }

    @Test func chatTemplateIsTheFiles() throws {
        let model = try TinyModel.tied.load()
        let text = try model.chatTemplate().render(
            messages: [ChatMessage(role: .user, content: "hi")], addGenerationPrompt: true)
        #expect(text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
        #expect(model.fileName == "tiny-tied")
    }
}
