internal import KvasirCodecs
internal import KvasirNumerics
internal import Synchronization

/// What a sequence knows beside its pages where bits follow attention.
final class AdaptiveState: @unchecked Sendable {  // what threads share is behind the lock
    /// Changes of units of tokens, of one place.
    struct Changes {
        var lowered = 0
        var raised = 0
    }

    /// Bits that could not be raised because the pool had no room.
    struct Postponed {
        let page: Int
        let place: Int
        let bits: [UInt8]
    }

    private struct Shared {
        var changes: [Changes]
        var postponed: [Postponed] = []
    }

    /// By layer; nil where no decision depends on attention.
    let feedback: [LayerFeedback?]
    private(set) var spill: SpillFile?
    private let shared: Mutex<Shared>
    /// The longest window of a part.
    let window: Int

    init(_ plan: CachePlan) {
        var feedback = [LayerFeedback?](repeating: nil, count: plan.layers.count)
        for place in plan.adaptivePlaces where place.part.followsAttention && place.part.isDecided {
            feedback[place.layer] = LayerFeedback(units: place.part.units)
        }
        self.feedback = feedback
        window =
            plan.adaptivePlaces.map { $0.part.isDecided && $0.part.followsAttention ? $0.part.window : 0 }.max() ?? 0
        shared = Mutex(Shared(changes: [Changes](repeating: Changes(), count: plan.adaptivePlaces.count)))
    }

    var feedbackBytes: Int { feedback.reduce(0) { $0 + ($1?.bytes ?? 0) } }

    /// Makes room in the file for pages, if a part drops planes to it.
    func reserveSpill(pages: Int, _ plan: CachePlan) throws(CacheError) {
        let bytes = plan.adaptivePlaces.reduce(0) { $0 + ($1.part.mode == .spill ? $1.part.extentBytes : 0) }
        guard bytes > 0, pages > 0 else { return }
        let file: SpillFile
        if let spill { file = spill } else { file = try SpillFile(slotBytes: bytes) }
        spill = file
        try file.reserve(pages: pages)
    }

    /// Where the planes of a page's part are kept in the file.
    func spilled(page: Int, place: Int, _ plan: CachePlan) -> UnsafeMutableRawPointer {
        guard let spill else { preconditionFailure("room was made in the file") }
        var offset = 0
        for other in plan.adaptivePlaces[..<place] where other.part.mode == .spill { offset += other.part.extentBytes }
        return spill.slot(page: page) + offset
    }

    func note(_ decision: AdaptivePart.Decision, place: Int) {
        shared.withLock {
            $0.changes[place].lowered += decision.lowered
            $0.changes[place].raised += decision.raised
        }
    }

    func changes(place: Int) -> Changes { shared.withLock { $0.changes[place] } }

    func postpone(_ revision: Postponed) { shared.withLock { $0.postponed.append(revision) } }

    /// Takes what was postponed.
    func takePostponed() -> [Postponed] {
        shared.withLock {
            let all = $0.postponed
            $0.postponed = []
            return all
        }
    }

    /// Forgets the rows of attention since the last decision.
    func resetFeedback() {
        for layer in feedback { layer?.reset() }
    }

    /// Forgets everything: the sequence begins anew.
    func restart() {
        resetFeedback()
        _ = takePostponed()
    }
}
