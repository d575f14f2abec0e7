import KvasirTokenizers
import Testing

@Suite("Chat templates")
struct ChatTemplateTests {
    private func messages(_ fixture: [Fixture.Message]) throws -> [ChatMessage] {
        try fixture.map { ChatMessage(role: try #require(.init(rawValue: $0.role)), content: $0.content) }
    }

    @Test("render what the reference renders")
    func reference() throws {
        let fixtures = try Fixture.load([Fixture.Template].self, "chat-templates")
        #expect(fixtures.count == 5)
        for fixture in fixtures {
            let template = try ChatTemplate(source: fixture.source, bosToken: fixture.bosToken)
            #expect(template.family == (fixture.name.hasPrefix("Llama") ? .llama3 : .chatML))
            for rendering in fixture.renderings {
                let text = try template.render(
                    messages: try messages(rendering.messages), addGenerationPrompt: rendering.addGenerationPrompt)
                #expect(Array(text.utf8) == Array(rendering.text.utf8), "\(fixture.name)")
            }
        }
    }

    @Test("write a conversation's beginning the same way when it goes on")
    func prefixes() throws {
        for fixture in try Fixture.load([Fixture.Template].self, "chat-templates") {
            let template = try ChatTemplate(source: fixture.source, bosToken: fixture.bosToken)
            for rendering in fixture.renderings {
                let messages = try messages(rendering.messages)
                let whole = Array(try template.render(messages: messages, addGenerationPrompt: true).utf8)
                for count in 0..<messages.count {
                    let turns = Array(messages[..<count])
                    let start = try template.render(messages: turns, addGenerationPrompt: false)
                    #expect(whole.starts(with: start.utf8))
                    // Where the model answers next, so does the text with its prompt.
                    if messages[count].role == .assistant {
                        let asked = try template.render(messages: turns, addGenerationPrompt: true)
                        #expect(whole.starts(with: asked.utf8))
                    }
                }
            }
        }
    }

    @Test("of Qwen render what the reference renders, with thoughts and without")
    func qwen() throws {
        let fixtures = try Fixture.load([Fixture.QwenTemplate].self, "chat-templates-qwen")
        #expect(fixtures.map(\.name) == ["Qwen2.5", "Qwen3", "Qwen3, later"])
        for fixture in fixtures {
            let template = try ChatTemplate(source: fixture.source)
            #expect(template.family == .chatML && template.hasThoughts == fixture.name.hasPrefix("Qwen3"))
            #expect((template.defaultSystemMessage != nil) == (fixture.name == "Qwen2.5"))
            for rendering in fixture.renderings {
                let text = try template.render(
                    messages: try messages(rendering.messages), addGenerationPrompt: rendering.addGenerationPrompt,
                    thinks: rendering.thinks)
                #expect(Array(text.utf8) == Array(rendering.text.utf8), "\(fixture.name): \(rendering.messages)")
            }
        }
        let error = #expect(throws: ChatTemplateError.self) {
            try ChatTemplate(source: fixtures[0].source).render(
                messages: [ChatMessage(role: .user, content: "Hi")], addGenerationPrompt: true, thinks: false)
        }
        #expect(error?.reason == .noThoughts(family: .chatML))
        // A template that treats thoughts in any other way is refused.
        for (old, new) in [
            ("loop.index0 > ns.last_query_index", "true"), ("'<think>\\n\\n</think>\\n\\n'", "'<think>\\n'"),
            ("enable_thinking is false", "enable_thinking"), ("{{- '<|im_start|>system\\n' +", "{{- bos_token +"),
        ] {
            #expect(fixtures[1].source.contains(old))
            #expect(throws: ChatTemplateError.self) {
                try ChatTemplate(source: fixtures[1].source.replacing(old, with: new))
            }
        }
    }

    @Test("whose turns alternate render what the reference renders, and refuse what it refuses")
    func alternatingTurns() throws {
        let fixtures = try Fixture.load([Fixture.TurnTemplate].self, "chat-templates-turns")
        #expect(fixtures.count == 5)
        for fixture in fixtures {
            let template = try ChatTemplate(
                source: fixture.source, bosToken: fixture.bosToken, eosToken: fixture.eosToken)
            #expect(fixture.name.hasPrefix(template.family.rawValue))
            var refused = 0
            for rendering in fixture.renderings {
                let messages = try messages(rendering.messages)
                guard let expected = rendering.text else {
                    let error = #expect(throws: ChatTemplateError.self) {
                        try template.render(messages: messages, addGenerationPrompt: rendering.addGenerationPrompt)
                    }
                    guard case .conversation = error?.reason else {
                        Issue.record("\(fixture.name): \(String(describing: error))")
                        continue
                    }
                    refused += 1
                    continue
                }
                let text = try template.render(
                    messages: messages, addGenerationPrompt: rendering.addGenerationPrompt)
                #expect(Array(text.utf8) == Array(expected.utf8), "\(fixture.name)")
            }
            #expect((1..<fixture.renderings.count).contains(refused))
        }
    }

    @Test("give their default system message")
    func defaultSystemMessage() throws {
        let fixtures = try Fixture.load([Fixture.Template].self, "chat-templates")
        let defaults = try Dictionary(
            uniqueKeysWithValues: fixtures.map {
                ($0.name, try ChatTemplate(source: $0.source, bosToken: $0.bosToken).defaultSystemMessage)
            })
        #expect(
            defaults == [
                "SmolLM2": "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
                "Qwen2.5": "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
                "plain ChatML": nil, "Llama 3": nil, "Llama 3.1": nil,
            ])
    }

    @Test("may hold the default system message as text or in quotes")
    func defaultInPlainText() throws {
        for source in [
            "{% if x %}<|im_start|>system\nBe kind, don't lie.<|im_end|>\n{% endif %}{{ '<|im_start|>' + r + '\\n' }}",
            "{{ '<|im_start|>system\\nBe kind, don\\'t lie.<|im_end|>\\n' }}{# <|im_start|>system\nno<|im_end|> #}",
            "{{ \"<|im_start|>system\\nBe kind, don't lie.<|im_end|>\\n\" }}",
        ] {
            #expect(try ChatTemplate(source: source).defaultSystemMessage == "Be kind, don't lie.")
        }
    }

    @Test("of no known family are refused with what was found")
    func refused() {
        func reason(_ source: String?) -> ChatTemplateError.Reason? {
            let error = #expect(throws: ChatTemplateError.self) {
                try ChatTemplate(source: source, architecture: "llama")
            }
            #expect(error?.description.contains("\n") == false)
            return error?.reason
        }
        #expect(reason(nil) == .missing(architecture: "llama"))
        #expect(reason(" \n") == .missing(architecture: "llama"))
        #expect(
            reason("{{ bos_token }}\n<|user|> x")
                == .unknownFamily(beginning: "{{ bos_token }} <|user|> x", architecture: "llama"))
        #expect(
            reason("{{ '<|im_start|>' }}{% if enable_thinking %}{% endif %}{{ '<|im_end|>' }}")
                == .unsupportedFeature("enable_thinking", family: .chatML))
        #expect(
            reason("{{ '<|im_start|>system\\na<|im_end|>' }}{{ '<|im_start|>system\\nb<|im_end|>' }}")
                == .unsupportedFeature("several default system messages", family: .chatML))
        #expect(reason("{{ bos_token }}[INST] <<SYS>>[/INST]") == .unsupportedFeature("<<SYS>>", family: .mistral))
        #expect(
            reason("{{ bos_token + eos_token }}[INST] {{ x }}[/INST]")
                == .unsupportedFeature("an unknown form of answers", family: .mistral))
        #expect(
            reason("{{ bos_token }}<start_of_turn>{{ x | trim }}<end_of_turn>")
                == .unsupportedFeature("an unknown treatment of system messages", family: .gemma))
        // Templates cut off in the middle of anything must not be read past their end.
        for source in ["<|im_start|><|im_end|>{{ 'a", "<|im_start|><|im_end|>{{ 'a\\", "<|im_start|><|im_end|>{%", "{"]
        {
            _ = try? ChatTemplate(source: source)
        }
    }
}
