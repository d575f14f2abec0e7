import Foundation
import KvasirEngine
import Testing

@Suite struct SamplingParametersTests {
    private func message(_ body: () throws -> SamplingParameters) -> String? {
        do {
            _ = try body()
            return nil
        } catch {
            return String(describing: error)
        }
    }

    @Test func everyRefusalNamesParameterValueAndRange() {
        #expect(
            message { try SamplingParameters(temperature: -0.5) }
                == "temperature: received -0.5; give a finite number, 0 (greedy) or more")
        #expect(
            message { try SamplingParameters(topK: -1) } == "top_k: received -1; give a number of tokens, or 0 (off)")
        #expect(
            message { try SamplingParameters(topP: 1.5) } == "top_p: received 1.5; give a number in 0 ... 1 (1 is off)")
        #expect(
            message { try SamplingParameters(minP: -0.1) }
                == "min_p: received -0.1; give a number in 0 ... 1 (0 is off)")
        #expect(
            message { try SamplingParameters(repetitionPenalty: 0) }
                == "repetition_penalty: received 0.0; give a finite number above 0 (1 is off)")
        #expect(
            message { try SamplingParameters(frequencyPenalty: 2.5) }
                == "frequency_penalty: received 2.5; give a number in -2 ... 2 (0 is off)")
        #expect(
            message { try SamplingParameters(presencePenalty: -3) }
                == "presence_penalty: received -3.0; give a number in -2 ... 2 (0 is off)")
        #expect(
            message { try SamplingParameters(penaltyWindow: -2) }
                == "penalty_window: received -2; give a number of tokens, 0 (none) or -1 (all)")
        #expect(
            message { try SamplingParameters(logitBias: [7: 101]) }
                == "logit_bias: received 101.0 for token 7; give a number in -100 ... 100")
        #expect(
            message { try SamplingParameters(logitBias: [-7: 1]) }
                == "logit_bias: received token id -7; give ids of 0 or more")
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func numbersThatAreNoneAreRefused(value: Float) {
        let attempts: [() throws -> SamplingParameters] = [
            { try SamplingParameters(temperature: value) }, { try SamplingParameters(topP: value) },
            { try SamplingParameters(minP: value) }, { try SamplingParameters(repetitionPenalty: value) },
            { try SamplingParameters(frequencyPenalty: value) }, { try SamplingParameters(presencePenalty: value) },
            { try SamplingParameters(logitBias: [0: value]) },
        ]
        for attempt in attempts {
            let error = #expect(throws: SamplingError.self) { try attempt() }
            #expect(error?.reason == .outOfRange)
        }
    }

    @Test func theEndsOfTheRangesArePermitted() {
        #expect(throws: Never.self) {
            _ = try SamplingParameters(
                temperature: 0, topK: 0, topP: 0, minP: 1, frequencyPenalty: 2, presencePenalty: -2, penaltyWindow: -1,
                logitBias: [0: -100, 1: 100])
        }
    }

    @Test func theDefaultsAreNeutral() throws {
        #expect(try SamplingParameters() == .neutral)
        #expect(try SamplingParameters(temperature: 0) == .greedy)
        #expect(SamplingParameters.greedy.isGreedy && !SamplingParameters.neutral.isGreedy)
    }

    @Test func encodingAndDecodingGivesTheSameParameters() throws {
        let parameters = try SamplingParameters(
            temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05, repetitionPenalty: 1.1, frequencyPenalty: 0.3,
            presencePenalty: -0.2, penaltyWindow: 256, logitBias: [50_256: -100, 3: 1.5], seed: .max)
        let decoded = try JSONDecoder().decode(SamplingParameters.self, from: JSONEncoder().encode(parameters))
        #expect(decoded == parameters)
    }

    @Test func jsonUsesTheCustomaryNames() throws {
        let json = #"{"temperature": 0.5, "top_p": 0.9, "logit_bias": {"11": -100}, "seed": 5}"#
        let decoded = try JSONDecoder().decode(SamplingParameters.self, from: Data(json.utf8))
        #expect(decoded == (try SamplingParameters(temperature: 0.5, topP: 0.9, logitBias: [11: -100], seed: 5)))
        #expect(try JSONDecoder().decode(SamplingParameters.self, from: Data("{}".utf8)) == .neutral)
    }

    @Test func decodingValidates() {
        func error(_ json: String) -> SamplingError? {
            #expect(throws: SamplingError.self) {
                try JSONDecoder().decode(SamplingParameters.self, from: Data(json.utf8))
            }
        }
        #expect(error(#"{"top_p": 2}"#)?.parameter == "top_p")
        let unknown = error(#"{"top_pp": 0.5}"#)
        #expect(unknown?.reason == .unknownParameter)
        #expect(unknown?.received == "'top_pp'")
        #expect(unknown?.remedy.contains("top_p, min_p") == true)
    }
}
