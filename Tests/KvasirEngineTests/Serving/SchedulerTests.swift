import Testing

@testable import KvasirEngine

/// What is computed next, without a model: a page is 64 tokens and costs 64.
struct SchedulerTests {
    private static func memory(_ available: Int, shared: [Scheduler.ID: Int] = [:]) -> Scheduler.Memory {
        Scheduler.Memory(available: available, cost: { ($0 + 63) / 64 * 64 }, shared: { shared[$0] ?? 0 })
    }

    private static func limits(running: Int = 4, waiting: Int = 8, rows: Int = 16, alignment: Int = 1)
        -> Scheduler.Limits
    {
        var limits = Scheduler.Limits()
        (limits.running, limits.waiting, limits.rows, limits.alignment) = (running, waiting, rows, alignment)
        return limits
    }

    /// Shares of a decision by request; empty if it is no step.
    private func shares(_ decision: Scheduler.Decision) -> [Scheduler.ID: Int] {
        guard case .run(let shares) = decision else { return [:] }
        return Dictionary(uniqueKeysWithValues: shares.map { ($0.id, $0.tokens) })
    }

    private func submit(
        _ scheduler: inout Scheduler, _ id: Scheduler.ID, _ tokens: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let isTaken = scheduler.submit(id, tokens: tokens)
        #expect(isTaken, sourceLocation: sourceLocation)
    }

    private func expectStep(
        _ scheduler: inout Scheduler, _ memory: Scheduler.Memory, _ expected: [Scheduler.ID: Int],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let decision = scheduler.next(memory)
        #expect(shares(decision) == expected, sourceLocation: sourceLocation)
    }

    private func expectDecision(
        _ scheduler: inout Scheduler, _ memory: Scheduler.Memory, _ expected: Scheduler.Decision,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let decision = scheduler.next(memory)
        #expect(decision == expected, sourceLocation: sourceLocation)
    }

    private func compute(_ scheduler: inout Scheduler, _ decision: Scheduler.Decision) {
        for (id, tokens) in shares(decision) { scheduler.computed(id, tokens: tokens) }
    }

    @Test func nobodyIsThere() {
        var scheduler = Scheduler()
        expectDecision(&scheduler, Self.memory(1000), .idle)
    }

    @Test func aLongPromptNeverHoldsUpThoseWhoDecode() {
        var scheduler = Scheduler(limits: Self.limits())
        submit(&scheduler, 1, 3)
        let first = scheduler.next(Self.memory(10_000))
        #expect(shares(first) == [1: 3])
        compute(&scheduler, first)
        scheduler.chose(1)
        submit(&scheduler, 2, 100)
        for round in 0..<6 {
            let decision = scheduler.next(Self.memory(10_000))
            #expect(shares(decision) == [1: 1, 2: 15], "round \(round)")
            // Those who decode come first.
            if case .run(let shares) = decision { #expect(shares.first?.id == 1) }
            compute(&scheduler, decision)
            scheduler.chose(1)
        }
        expectStep(&scheduler, Self.memory(10_000), [1: 1, 2: 10])
    }

    @Test func promptsAreComputedInTheOrderTheyCame() {
        var scheduler = Scheduler(limits: Self.limits())
        for id in 1...3 { submit(&scheduler, UInt64(id), 10) }
        let first = scheduler.next(Self.memory(10_000))
        #expect(shares(first) == [1: 10, 2: 6])
        compute(&scheduler, first)
        scheduler.chose(1)
        expectStep(&scheduler, Self.memory(10_000), [1: 1, 2: 4, 3: 10])
    }

    @Test func theQueueHasAnEndAndSoHasTheNumberSideBySide() {
        var scheduler = Scheduler(limits: Self.limits(running: 2, waiting: 3))
        for id in 1...3 { submit(&scheduler, UInt64(id), 2) }
        let refused = scheduler.submit(4, tokens: 2)
        #expect(!refused)
        let decision = scheduler.next(Self.memory(10_000))
        #expect(shares(decision) == [1: 2, 2: 2])
        #expect(scheduler.runningCount == 2 && scheduler.waitingCount == 1)
        scheduler.remove(1)
        compute(&scheduler, decision)
        scheduler.chose(2)
        expectStep(&scheduler, Self.memory(10_000), [2: 1, 3: 2])
        submit(&scheduler, 4, 2)
    }

    @Test func aPromptIsTakenUpWhenAllOfItFits() {
        var scheduler = Scheduler(limits: Self.limits(rows: 256))
        submit(&scheduler, 1, 100)
        submit(&scheduler, 2, 100)
        // Two pages each, and a page for the first token: 128 are enough for one of them.
        let first = scheduler.next(Self.memory(128))
        #expect(shares(first) == [1: 100])
        compute(&scheduler, first)
        scheduler.chose(1)
        expectStep(&scheduler, Self.memory(64), [1: 1])
        // What is in memory already need not fit again.
        var sharing = Scheduler(limits: Self.limits(rows: 256))
        submit(&sharing, 1, 100)
        submit(&sharing, 2, 100)
        expectStep(&sharing, Self.memory(192, shared: [2: 64]), [1: 100, 2: 64])
    }

    @Test func theYoungestGivesItsMemoryBackAndComesNext() {
        var scheduler = Scheduler(limits: Self.limits(rows: 256))
        for id in 1...2 { submit(&scheduler, UInt64(id), 63) }
        let first = scheduler.next(Self.memory(128))
        #expect(shares(first) == [1: 63, 2: 63])
        compute(&scheduler, first)
        for id in 1...2 { scheduler.chose(UInt64(id)) }
        compute(&scheduler, scheduler.next(Self.memory(0)))
        for id in 1...2 { scheduler.chose(UInt64(id)) }
        // Both need a new page now, and there is one.
        submit(&scheduler, 3, 1)
        expectDecision(&scheduler, Self.memory(64), .preempt(2))
        // Its page came free: the first goes on, the second waits before the third.
        expectStep(&scheduler, Self.memory(128), [1: 1])
        #expect(scheduler.waitingCount == 2)
        scheduler.remove(1)
        expectStep(&scheduler, Self.memory(256), [2: 65, 3: 1])
    }

    /// With pages that come back after a step, a step takes more than a sequence grows by.
    @Test func aStepIsTakenWhenAllItsPagesFit() {
        func pages(_ tokens: Int) -> Int { (tokens + 63) / 64 }
        func memory(_ available: Int) -> Scheduler.Memory {
            // A window page for every new page, of which one is held between steps.
            Scheduler.Memory(
                available: available, cost: { pages($0) * 64 + 128 }, held: { pages($0) * 64 + min(pages($0), 1) * 64 },
                step: { (pages($1) - pages($0)) * 128 })
        }
        var scheduler = Scheduler(limits: Self.limits(rows: 256))
        for id in 1...2 { submit(&scheduler, UInt64(id), 64) }
        // Each is promised two pages and two beside them.
        expectStep(&scheduler, memory(511), [1: 64])
        let both = scheduler.next(memory(512))
        #expect(shares(both) == [1: 64, 2: 64])
        compute(&scheduler, both)
        for id in 1...2 { scheduler.chose(UInt64(id)) }
        expectDecision(&scheduler, memory(200), .preempt(2))
        expectStep(&scheduler, memory(200), [1: 1])
        // Within a page nothing is taken.
        scheduler.computed(1, tokens: 1)
        scheduler.chose(1)
        expectStep(&scheduler, memory(0), [1: 1])
    }

    @Test func promptsAreCutAtTheEndsOfPages() {
        var scheduler = Scheduler(limits: Self.limits(rows: 100, alignment: 64))
        submit(&scheduler, 1, 200)
        submit(&scheduler, 2, 70)
        for end in [64, 128] {
            let decision = scheduler.next(Self.memory(10_000))
            #expect(shares(decision) == [1: 64], "up to \(end)")
            compute(&scheduler, decision)
        }
        // The end of a prompt need not be the end of a page; what is left of the step is too little for the next.
        let last = scheduler.next(Self.memory(10_000))
        #expect(shares(last) == [1: 72])
        compute(&scheduler, last)
        scheduler.chose(1)
        expectStep(&scheduler, Self.memory(10_000), [1: 1, 2: 70])
    }

    @Test func whatDoesNotFitAloneIsNotTriedForever() {
        var scheduler = Scheduler(limits: Self.limits())
        submit(&scheduler, 1, 10)
        expectDecision(&scheduler, Self.memory(0), .idle)
        expectStep(&scheduler, Self.memory(64), [1: 10])
    }
}
