import Foundation
import KvasirCache
import KvasirCodecs
import KvasirModels
import Testing

@testable import KvasirEngine

/// Sessions of a serving engine: saved by one, restored by the next.
@Suite(.timeLimit(.minutes(2)))
struct ServingSessionTests {
    private static func server(
        _ folder: SessionStoreTests.Folder, cache: String = "nf4/rot", budget: Int = .max
    ) throws -> ServingEngine {
        let engine = try TinyModel.quantized.engine(cache: cache, cacheBudget: budget, precision: .int8)
        let store = try SessionStore(path: folder.path)
        let identity = try SessionIdentity(engine)
        return ServingEngine(engine, name: "tiny", sessions: (store: store, identity: identity))
    }

    /// Tokens after a restored prefix are those after the same prefix computed, bit for bit, for every codec.
    @Test(arguments: PrefixReuseTests.sharing + ["nf4; recent=64; sinks=4", "nf4; recent=300"])
    func whatIsRestoredIsFound(cache: String) async throws {
        let folder = SessionStoreTests.Folder()
        let name = try SessionName("talk")
        let prompt = scatteredTokens(200, seed: 7)
        var tokens: [Int32] = []
        do {
            let server = try Self.server(folder, cache: cache)
            let answer = try await ServingEngineTests.answer(
                server.submit(ServingRequest(prompt: prompt, maxTokens: 100, endsAtEndOfText: false, session: name)))
            tokens = prompt + answer.tokens
            let sessions = try #require(server.sessions)
            let saved = try await sessions.save(name, tokens: nil)
            // The last token has been chosen and not computed.
            #expect(saved.sequenceTokens == 300 && saved.record.tokens == 256)
            #expect(await sessions.list() == [saved.record])
            server.shutDown()
        }
        let server = try Self.server(folder, cache: cache)
        let sessions = try #require(server.sessions)
        #expect(try await sessions.restore(name).tokens == 256)
        let request = ServingRequest(prompt: tokens + scatteredTokens(30, seed: 8), maxTokens: 20)
        let answer = try await ServingEngineTests.answer(server.submit(request))
        #expect(answer.cachedTokens == 256)
        #expect(answer.tokens == (try ServingEngineTests.alone(request, cache: cache)).tokens)
        // What is restored once more takes no more memory.
        let before = server.statistics.prefixBytes
        _ = try await sessions.restore(name)
        #expect(server.statistics.prefixBytes == before)
        // The name stands for the restored tokens now, which can be saved again.
        #expect(try await sessions.save(name, tokens: nil).record.tokens == 256)
        server.shutDown()
    }

    @Test func whatDoesNotFitChangesNothing() async throws {
        let folder = SessionStoreTests.Folder()
        let name = try SessionName("long")
        let plan = try TinyModel.quantized.engine(cache: "nf4/rot").plan
        let large = try Self.server(folder)
        _ = try await ServingEngineTests.answer(
            large.submit(ServingRequest(prompt: scatteredTokens(640, seed: 3), maxTokens: 0, session: name)))
        let others = try #require(large.sessions)
        #expect(try await others.save(name, tokens: nil).record.tokens == 640)
        large.shutDown()

        let small = try Self.server(folder, budget: 6 * plan.pageBytes)
        let request = ServingRequest(prompt: scatteredTokens(200, seed: 4), maxTokens: 2)
        let first = try await ServingEngineTests.answer(small.submit(request))
        let sessions = try #require(small.sessions)
        let error = await #expect(throws: SessionError.self) { try await sessions.restore(name) }
        #expect(error?.reason == .overBudget)
        // What was cached before still is.
        let again = try await ServingEngineTests.answer(small.submit(request))
        #expect(again.cachedTokens == 192 && again.tokens == first.tokens)
        // With room for it others make way.
        #expect(try await sessions.save(SessionName("short"), tokens: request.prompt).record.tokens == 192)
        _ = try await ServingEngineTests.answer(
            small.submit(ServingRequest(prompt: scatteredTokens(320, seed: 5), maxTokens: 1)))
        _ = try await sessions.restore(SessionName("short"))
        #expect(try await ServingEngineTests.answer(small.submit(request)).cachedTokens == 192)
        #expect(small.statistics.peakBytes <= 6 * plan.pageBytes)
        small.shutDown()
        let closed = await #expect(throws: SessionError.self) { try await sessions.restore(SessionName("short")) }
        #expect(closed?.reason == .shutDown)
    }

    @Test func thereMustBeSomethingToSave() async throws {
        let folder = SessionStoreTests.Folder()
        let server = try Self.server(folder)
        let sessions = try #require(server.sessions)
        for tokens in [nil, scatteredTokens(300), []] as [[Int32]?] {
            let error = await #expect(throws: SessionError.self) {
                try await sessions.save(SessionName("none"), tokens: tokens)
            }
            #expect(error?.reason == .nothingToSave)
        }
        #expect(try folder.contents == [])
        server.shutDown()
    }

    @Test func onlySoManyNamesAreNoted() throws {
        var notes = SessionNotes(limit: 2)
        let names = try ["a", "b", "c"].map { try SessionName($0) }
        notes.note(names[0], [1])
        notes.note(names[1], [2])
        notes.note(names[0], [3])
        notes.note(names[2], [4])
        #expect(notes[names[0]] == [3] && notes[names[1]] == nil && notes[names[2]] == [4])
    }
}
