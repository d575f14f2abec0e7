import Foundation
import Testing

@testable import KvasirEvaluation

struct TaskMetricTests {
    private func score(_ logLikelihoods: [Double], lengths: [Int], gold: Int = 0, item: Int = 0) -> ItemScore {
        ItemScore(
            item: item, gold: gold, logLikelihoods: logLikelihoods, lengths: lengths,
            tokens: lengths.map { _ in 1 })
    }

    /// Scores that are right or not by accuracy.
    private func scores(_ right: [Bool]) -> [ItemScore] {
        right.enumerated().map { score([-1, -2], lengths: [1, 1], gold: $1 ? 0 : 1, item: $0) }
    }

    @Test func accuracyTakesTheLikeliestAndTheNormalizedTheLikeliestForEveryCharacter() {
        let some = score([-10, -12], lengths: [5, 12], gold: 1)
        #expect(some.prediction(.accuracy) == 0 && some.prediction(.normalizedAccuracy) == 1)
        #expect(!some.isCorrect(.accuracy) && some.isCorrect(.normalizedAccuracy))
    }

    @Test func theFirstOfEqualsIsTaken() {
        #expect(score([-3, -2, -2], lengths: [1, 1, 1]).prediction(.accuracy) == 1)
        #expect(score([-2, -4, -6], lengths: [1, 2, 3]).prediction(.normalizedAccuracy) == 0)
    }

    @Test func emptyChoicesAreDividedAsNumpyDivides() {
        // -1 / 0 is minus infinity and never chosen; 0 / 0 is no number, which argmax takes for the largest.
        #expect(score([-1, -50], lengths: [0, 1]).prediction(.normalizedAccuracy) == 1)
        #expect(score([-1, 0, 0], lengths: [1, 0, 0]).prediction(.normalizedAccuracy) == 1)
        #expect(score([-.infinity, -.infinity], lengths: [1, 1]).prediction(.accuracy) == 0)
    }

    @Test func lengthsAreUnicodeScalars() {
        #expect(PythonText.length("e\u{301}👩‍👩‍👧\r\n") == 9)
    }

    @Test func standardErrorIsThatOfTheMean() throws {
        // sqrt(p (1 - p) / (n - 1)) for shares.
        let share = scores([true, true, true, false]).accuracy(.accuracy)
        #expect(share.mean == 0.75 && share.count == 4)
        #expect(abs(try #require(share.standardError) - 0.25) < 1e-15)
        // 100 items, 42 right: 0.04960450 by the harness's mean_stderr.
        let hundred = scores((0..<100).map { $0 < 42 }).accuracy(.accuracy)
        #expect(abs(try #require(hundred.standardError) - 0.04960449637488584) < 1e-12)
        #expect(scores([true]).accuracy(.accuracy).standardError == nil)
    }

    @Test func pairedDifferenceIsOfTheSameItems() throws {
        let reference = scores([true, true, false, false, true, false, true, true, false, true])
        let other = scores([true, false, false, true, true, false, false, true, false, true])
        let difference = other.accuracyDifference(from: reference, .accuracy)
        // +1 once, -1 twice among ten: mean -0.1, sample variance (3 - 10 * 0.01) / 9.
        #expect(abs(difference.mean + 0.1) < 1e-15)
        #expect(abs(try #require(difference.standardError) - (2.9 / 9 / 10).squareRoot()) < 1e-15)
        let none = other.accuracyDifference(from: other, .accuracy)
        #expect(none.mean == 0 && none.standardError == 0)
    }

    @Test func meanOfTasksIsUnweighted() throws {
        let mean = SampleMean(of: [SampleMean([1, 1, 0, 0]), SampleMean([1, 1, 1, 0, 1, 1, 1, 0])])
        #expect(mean.mean == 0.625 && mean.count == 12)
        let (first, second) = ((0.25 / 3.0), (0.1875 / 7.0))
        #expect(abs(try #require(mean.standardError) - (first + second).squareRoot() / 2) < 1e-15)
        #expect(SampleMean(of: [SampleMean([1]), SampleMean([1, 0])]).standardError == nil)
    }

    @Test func scoresComeBackFromJSONAsTheyWere() throws {
        let some = score([-0.1, -1.0 / 3], lengths: [4, 5], gold: 1, item: 17)
        #expect(try JSONDecoder().decode(ItemScore.self, from: JSONEncoder().encode(some)) == some)
    }
}
