internal import Foundation
internal import KvasirCache
internal import KvasirCodecs
internal import KvasirModels
internal import KvasirNumerics
internal import KvasirTokenizers
internal import Synchronization

/// The serving thread: takes messages, asks the scheduler, runs steps, hands tokens out.
final class ServingLoop {
    private let engine: InferenceEngine
    private let mailbox: Mailbox
    private let published: Published
    private var scheduler: Scheduler
    private var prefixes: PrefixCache
    private var requests: [Scheduler.ID: ActiveRequest] = [:]
    private var notes = SessionNotes()
    /// Bytes that prefixes hold alone, until something changes.
    private var knownEvictableBytes: Int?
    private var logits: [Float] = []
    private var statistics = ServingStatistics()
    private let endOfGeneration: Set<Int32>

    /// Rows of logits that are held at a time where those of a whole prompt are wanted.
    private static let promptRows = 16

    init(_ engine: InferenceEngine, limits: Scheduler.Limits, mailbox: Mailbox, published: Published) {
        self.engine = engine
        self.mailbox = mailbox
        self.published = published
        scheduler = Scheduler(limits: limits)
        prefixes = PrefixCache(engine.plan)
        endOfGeneration = Set(engine.model.tokenizer.endOfGenerationIDs)
    }

    /// Runs until the mailbox is closed.
    func run() {
        while true {
            let (messages, isClosed) = mailbox.take()
            for message in messages { handle(message) }
            guard !isClosed else { break }
            giveUpLate()
            let hasWorked = advance()
            publish()
            if !hasWorked { mailbox.wait(until: requests.values.compactMap(\.request.deadline).min()) }
        }
        for request in requests.values { end(request, .cancelled) }
        publish()
    }

    private func publish() {
        statistics.running = scheduler.runningCount
        statistics.waiting = scheduler.waitingCount
        mailbox.noteWaiting(scheduler.waitingCount)
        let unused = evictableBytes()
        statistics.prefixBytes = unused
        statistics.sequenceBytes = max(engine.pool.bytesInUse - unused, 0)
        statistics.peakBytes = max(engine.pool.peakBytes, statistics.peakBytes)
        statistics.cachedTokens = requests.values.reduce(0) { $0 + ($1.sequence?.count ?? 0) }
        let current = statistics
        published.statistics.withLock { shown in
            // Refusals are counted where they happen.
            let refused = shown.refused
            shown = current
            shown.refused = refused
        }
    }

    private func evictableBytes() -> Int {
        if let knownEvictableBytes { return knownEvictableBytes }
        let bytes = prefixes.evictableBytes()
        knownEvictableBytes = bytes
        return bytes
    }

    // MARK: Requests

    private func handle(_ message: Mailbox.Message) {
        switch message {
        case .submit(let handover):
            let request = handover.value
            requests[request.id] = request
            // The mailbox counts those that wait, so there is room.
            guard scheduler.submit(request.id, tokens: request.tokens.count) else {
                fail(request, ServingError(.busy, received: "too many requests are waiting", remedy: "try again later"))
                return
            }
            statistics.promptTokens += request.tokens.count
        case .cancel(let id):
            guard let request = requests[id] else { return }
            end(request, .cancelled)
        case .session(let task): handle(task)
        }
    }

    private func handle(_ task: SessionTask) {
        switch task {
        case .snapshot(let name, let given, let reply):
            guard let tokens = given ?? notes[name] else {
                reply(
                    .failure(
                        SessionError(
                            .nothingToSave, received: "no request had the session '\(name)'",
                            remedy: "name it in a request, or say which prompt is to be saved")))
                return
            }
            reply(.success(.init(tokens: tokens, pages: prefixes.snapshot(tokens))))
        case .restore(let image, let reply):
            knownEvictableBytes = nil
            do throws(CacheError) {
                try prefixes.restore(image.tokens, image.pages, image.layout, pool: engine.pool)
                notes.note(image.name, image.tokens)
                reply(.success(()))
            } catch {
                reply(
                    .failure(
                        SessionError(
                            .overBudget, received: "session '\(image.name)' of \(image.tokens.count) tokens",
                            remedy: "\(error.received), \(error.detail)")))
            }
        }
    }

    /// Ends what has passed its deadline.
    private func giveUpLate() {
        let now = ContinuousClock.now
        for request in requests.values {
            guard let deadline = request.request.deadline, deadline <= now else { continue }
            fail(
                request,
                ServingError(
                    .deadline, received: "the deadline passed after \(request.generated) tokens",
                    remedy: "allow more time, or ask for fewer tokens"))
        }
    }

    private func end(_ request: ActiveRequest, _ reason: FinishReason) {
        forget(request)
        statistics.finished[reason, default: 0] += 1
        request.finish(reason)
    }

    private func fail(_ request: ActiveRequest, _ error: any Error) {
        forget(request)
        statistics.failed += 1
        request.events.finish(throwing: error)
    }

    private func forget(_ request: ActiveRequest) {
        keepPrefix(of: request)
        if let session = request.request.session { notes.note(session, request.tokens) }
        requests[request.id] = nil
        scheduler.remove(request.id)
        request.sequence = nil
        knownEvictableBytes = nil
    }

    /// Keeps the full pages of a request while it goes on.
    ///
    /// Not where bits follow attention: they are to follow that of this request to its end, or until it has to be computed
    /// again.
    private func keepGrowingPrefix(of request: ActiveRequest) {
        guard !engine.plan.isAdaptive else { return }
        keepPrefix(of: request)
    }

    private func keepPrefix(of request: ActiveRequest) {
        guard let sequence = request.sequence else { return }
        knownEvictableBytes = nil
        prefixes.insert(sequence, request.tokens, from: request.insertedPages)
        request.insertedPages = sequence.sealedPages
    }

    // MARK: Steps

    /// Does one thing; false if there is nothing to do.
    private func advance() -> Bool {
        let plan = engine.plan
        let rows = scheduler.limits.rows
        let room = engine.pool.budget - engine.pool.bytesInUse
        let available = room > .max / 2 ? .max / 2 : room + evictableBytes()
        let decision = scheduler.next(
            Scheduler.Memory(
                available: available, cost: { plan.peakBytes(forTokens: $0, inStepsOf: rows) },
                held: { plan.bytes(forTokens: $0) }, step: { plan.bytes(ofStepFrom: $0, to: $1) },
                shared: { [requests, prefixes] id in
                    guard let request = requests[id], request.reusesPrefixes else { return 0 }
                    return prefixes.sharedBytes(request.tokens, limit: request.tokens.count - 1)
                }))
        switch decision {
        case .idle:
            // Its size was checked when it came; should it not fit all the same, it must not wait forever.
            if let id = scheduler.oldestRunning, let request = requests[id] {
                fail(
                    request,
                    ServingError(
                        .tooLarge, received: "\(request.tokens.count) tokens", remedy: "the cache budget is exhausted"))
                return true
            }
            return false
        case .preempt(let id):
            statistics.preemptions += 1
            if let request = requests[id] {
                keepGrowingPrefix(of: request)
                request.loseCache()
                knownEvictableBytes = nil
            }
            return true
        case .run(let shares):
            // Before the step too: it may be a long one.
            publish()
            run(shares)
            return true
        }
    }

    /// Tokens of a request that a step computes.
    private typealias Work = (request: ActiveRequest, sequence: CacheSequence, tokens: [Int32])

    private func run(_ shares: [Scheduler.Share]) {
        knownEvictableBytes = nil
        var entries: [Work] = []
        // Pages that are taken up can no longer be given up, which nobody counted on beyond the shares.
        let needed = shares.reduce(0) { sum, share in
            let count = requests[share.id]?.sequence?.count ?? 0
            return sum + engine.plan.bytes(ofStepFrom: count, to: count + share.tokens)
        }
        let hasRoom = needed <= engine.pool.budget - engine.pool.bytesInUse
        for share in shares {
            guard let request = requests[share.id] else { continue }
            let target = (request.sequence?.count ?? 0) + share.tokens
            let sequence = takeUp(request, upTo: hasRoom ? request.tokens.count : target)
            // The share may have been in memory as a whole.
            guard sequence.count < target else { continue }
            entries.append((request, sequence, Array(request.tokens[sequence.count..<target])))
        }
        guard !entries.isEmpty else { return }
        makeRoom(for: entries)
        do {
            try step(entries)
        } catch  where entries.count > 1 {
            // What is wrong with one of them is no reason to end the others.
            for entry in entries {
                do { try step([entry]) } catch { fail(entry.request, error) }
            }
        } catch {
            fail(entries[0].request, error)
        }
    }

    /// Computes tokens, and chooses the next where that was the last.
    ///
    /// - Throws: as `InferenceEngine.run`; nothing has then been computed.
    private func step(_ entries: [Work]) throws {
        let start = ContinuousClock.now
        try engine.run(ForwardStep(entries.map { .init(sequence: $0.sequence, tokens: $0.tokens) }))
        for entry in entries { scheduler.computed(entry.request.id, tokens: entry.tokens.count) }
        var row = 0
        var ready: [(request: ActiveRequest, row: Int)] = []
        for entry in entries {
            let firstRow = row
            row += entry.tokens.count
            do {
                try readPrompt(
                    entry.request, sequence: entry.sequence, firstRow: firstRow, tokens: entry.tokens.count)
            } catch {
                fail(entry.request, error)
                continue
            }
            if entry.sequence.count == entry.request.tokens.count { ready.append((entry.request, row - 1)) }
            if entry.sequence.sealedPages > entry.request.insertedPages {
                keepGrowingPrefix(of: entry.request)
            }
        }
        choose(ready)
        statistics.steps += 1
        statistics.stepSeconds += (ContinuousClock.now - start) / .seconds(1)
    }

    /// The cache of a request that is computed, with what is in memory of its first `target` tokens already.
    ///
    /// A prefix that ends early may lack what a longer one has: where queries read f16 copies, those of the last tokens.
    private func takeUp(_ request: ActiveRequest, upTo target: Int) -> CacheSequence {
        let sequence = request.sequence ?? engine.makeSequence()
        request.sequence = sequence
        if request.reusesPrefixes, sequence.endsWithAFullPage {
            // Looked for again at every page: another request may have got ahead with the same tokens.
            var limit = min(target, request.tokens.count - 1)
            // Where bits follow attention it matters what was taken over: at the beginning only, and as much as the first time.
            if engine.plan.isAdaptive { limit = sequence.count > 0 ? 0 : min(limit, request.takenOver ?? limit) }
            let found = prefixes.pages(request.tokens, from: sequence.count, limit: limit)
            if !found.pages.isEmpty {
                sequence.adopt(found.pages, sides: found.sides)
                request.insertedPages = sequence.sealedPages
                let tokens = found.pages.count * PageGeometry.tokens
                scheduler.computed(request.id, tokens: tokens)
                request.found(tokens)
            }
        }
        request.takenOver = request.takenOver ?? sequence.count
        return sequence
    }

    /// Gives up prefixes that nobody uses until the step's pages fit the budget.
    private func makeRoom(for entries: [Work]) {
        let needed = entries.reduce(0) { sum, entry in
            sum + engine.plan.bytes(ofStepFrom: entry.sequence.count, to: entry.sequence.count + entry.tokens.count)
        }
        let room = engine.pool.budget - engine.pool.bytesInUse
        if needed > room { prefixes.evict(needed - room) }
    }

    // MARK: Logits

    /// Reads the probabilities of a prompt's tokens, where they are wanted.
    ///
    /// - Throws: `SamplingError` if the logits of one are no distribution.
    private func readPrompt(_ request: ActiveRequest, sequence: CacheSequence, firstRow: Int, tokens: Int) throws {
        guard let topCount = request.request.promptLogProbabilities, request.generated == 0 else { return }
        let prompt = request.request.prompt
        let firstToken = sequence.count - tokens
        for start in stride(from: 0, to: tokens, by: Self.promptRows) {
            let count = min(Self.promptRows, tokens - start)
            try withLogits(rows: firstRow + start..<firstRow + start + count) { logits in
                for index in 0..<count where firstToken + start + index + 1 < prompt.count {
                    let row = logits.extracting(index * engine.vocabularySize..<(index + 1) * engine.vocabularySize)
                    request.promptLogProbabilities.append(
                        try LogProbabilities(
                            logits: UnsafeBufferPointer(row).span, chosen: prompt[firstToken + start + index + 1],
                            topCount: topCount))
                }
            }
        }
    }

    /// Chooses the next token of every request whose tokens are all computed.
    private func choose(_ ready: [(request: ActiveRequest, row: Int)]) {
        var first = 0
        while first < ready.count {
            // Rows that lie side by side share the output matrix; those of decoding requests all do.
            var last = first + 1
            while last < ready.count, ready[last].row == ready[last - 1].row + 1 { last += 1 }
            choose(Array(ready[first..<last]), rows: ready[first].row..<ready[last - 1].row + 1)
            first = last
        }
    }

    private func choose(_ ready: [(request: ActiveRequest, row: Int)], rows: Range<Int>) {
        for entry in ready {
            statistics.cachedPromptTokens += entry.request.finishPrompt()
            if entry.request.limit == 0 { end(entry.request, .length) }
        }
        let ready = ready.filter { requests[$0.request.id] != nil }
        guard !ready.isEmpty else { return }
        let width = engine.vocabularySize
        var outcomes = [Result<ActiveRequest.Outcome, SamplingError>?](repeating: nil, count: ready.count)
        let ends = endOfGeneration
        withLogits(rows: rows) { logits in
            outcomes.withUnsafeMutableBufferPointer { outcomes in
                let shared = Handover((ready: ready, logits: logits, outcomes: outcomes, first: rows.lowerBound))
                engine.threads.run(ready.count) { index, _ in
                    let (ready, logits, outcomes, first) = shared.value
                    let start = (ready[index].row - first) * width
                    outcomes[index] = Result { () throws(SamplingError) in
                        try ready[index].request.choose(
                            logits.extracting(start..<start + width), endOfGeneration: ends)
                    }
                }
            }
        }
        for (entry, outcome) in zip(ready, outcomes) {
            switch outcome {
            case .success(.goesOn):
                statistics.generatedTokens += 1
                scheduler.chose(entry.request.id)
            case .success(.ended(let reason)):
                statistics.generatedTokens += 1
                end(entry.request, reason)
            case .failure(let error): fail(entry.request, error)
            case nil: preconditionFailure("every item was performed")
            }
        }
    }

    private func withLogits(rows: Range<Int>, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        let count = rows.count * engine.vocabularySize
        if logits.count < count { logits = [Float](repeating: 0, count: count) }
        try logits.withUnsafeMutableBufferPointer { logits in
            let used = logits.extracting(0..<count)
            engine.logits(rows: rows, into: used)
            try body(used)
        }
    }
}
