import Foundation
import Testing

@testable import KvasirEvaluation

struct PlottingTests {
    // MARK: Ticks

    @Test("The example of Heckbert's article: 105 to 543 with five labels")
    func publishedTicks() {
        #expect(Ticks.loose(105...543, count: 5) == [100, 200, 300, 400, 500, 600])
    }

    @Test(
        "Ticks are multiples of 1, 2 or 5 that enclose the values",
        arguments: [
            (0.0, 1.0, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0, 10, 6, [0, 2, 4, 6, 8, 10]),
            (-0.35, 0.2, 5, [-0.4, -0.2, 0, 0.2]), (26.6, 33.2, 6, [26, 28, 30, 32, 34]),
            (0, 8000, 8, [0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000]),
            (1e-7, 3e-7, 3, [1e-7, 2e-7, 3e-7]), (3, 3, 3, [0, 2, 4, 6]),
        ])
    func looseTicks(low: Double, high: Double, count: Int, expected: [Double]) {
        #expect(Ticks.loose(low...high, count: count) == expected)
    }

    @Test("Nice numbers are 1, 2, 5 and 10 times a power of ten")
    func niceNumbers() {
        for (value, up, nearest) in [
            (1.0, 1.0, 1.0), (1.4, 2, 1), (1.6, 2, 2), (2.9, 5, 2), (3.1, 5, 5), (6.9, 10, 5), (7.1, 10, 10),
            (43, 50, 50),
        ] {
            #expect(Ticks.nice(value, isRounded: false) == up)
            #expect(Ticks.nice(value, isRounded: true) == nearest)
        }
    }

    @Test("Logarithmic ticks are decades, with steps between them where there are few")
    func logarithmicTicks() {
        #expect(Ticks.logarithmic(1e-4...1) == [1e-4, 1e-3, 1e-2, 1e-1, 1])
        #expect(Ticks.logarithmic(0.02...0.6) == [0.02, 0.05, 0.1, 0.2, 0.5])
        #expect(Ticks.logarithmic(0.03...0.2) == [0.03, 0.05, 0.07, 0.1, 0.15, 0.2])
        #expect(Ticks.logarithmic(1.1...1.3).isEmpty)
    }

    // MARK: Scales

    @Test("Scales place values in proportion, or in proportion of their logarithms")
    func scales() {
        let linear = Scale(Axis(title: "", startsAtZero: true), values: [4, 8], from: 100, to: 0, count: 5)
        #expect(linear.ticks == [0, 2, 4, 6, 8])
        #expect(linear(0) == 100 && linear(8) == 0 && linear(2) == 75)
        let axis = Axis(title: "", spacing: .logarithmic)
        let logarithmic = Scale(axis, values: [0.001, 0.1], from: 0, to: 100, count: 5)
        #expect(abs(logarithmic(0.01) - 50) < 1e-9)
        #expect(logarithmic(0.001) > 0 && logarithmic(0.1) < 100)
        // A part of a decade still has numbers.
        #expect(Scale(axis, values: [1.11, 1.29], from: 0, to: 100, count: 5).ticks.count > 1)
        #expect(Scale(axis, values: [3], from: 0, to: 100, count: 5)(3).isFinite)
        #expect(Scale(Axis(title: ""), values: [3], from: 0, to: 100, count: 5)(3).isFinite)
        #expect(Scale(Axis(title: ""), values: [], from: 0, to: 100, count: 5)(0.5).isFinite)
    }

    // MARK: Pareto front

    @Test("The front is what nothing beats in both")
    func paretoFront() {
        let points: [(x: Double, y: Double)] = [(4, 3), (8, 1), (4, 2), (5, 2), (16, 0), (3, 9), (8, 0.5), (16, 0)]
        #expect(ParetoFront.indices(of: points) == [5, 2, 6, 4, 7])
        #expect(ParetoFront.indices(of: []).isEmpty)
        #expect(ParetoFront.indices(of: [(1, 1)]) == [0])
        // Equally good in one and worse in the other is beaten.
        #expect(ParetoFront.indices(of: [(1, 1), (2, 1), (1, 2)]) == [0])
    }

    @Test("No point of the front is beaten, and every other is", arguments: 1...20)
    func paretoFrontAtRandom(seed: Int) {
        var state = UInt64(seed)
        func next() -> Double {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Double(state >> 59)
        }
        let points = (0..<40).map { _ in (x: next(), y: next()) }
        let front = Set(ParetoFront.indices(of: points))
        for (index, point) in points.enumerated() {
            let isBeaten = points.contains { $0.x <= point.x && $0.y <= point.y && ($0.x < point.x || $0.y < point.y) }
            #expect(front.contains(index) != isBeaten)
        }
    }

    // MARK: Labels

    @Test("Labels of crowded points cover neither each other nor a point")
    func labels() {
        let labels = (0..<10).map { index in
            LabelPlacement.Label(
                text: "nf4/b64/rot \(index)", x: 200 + Double(index % 4) * 9, y: 150 + Double(index / 4) * 11)
        }
        let frame = Box(x: 0, y: 0, width: 700, height: 400)
        let placed = LabelPlacement.place(labels, frame: frame)
        #expect(placed.count == labels.count)
        for (index, one) in placed.enumerated() {
            #expect(one.box.excess(beyond: frame) == 0)
            for other in placed[(index + 1)...] { #expect(one.box.overlap(other.box) == 0) }
            for label in labels {
                let mark = Box(x: label.x - 4, y: label.y - 4, width: 8, height: 8)
                #expect(one.box.overlap(mark) == 0)
            }
        }
        #expect(placed.contains { $0.isDistant } && placed.contains { !$0.isDistant })
    }

    @Test("A lone label stands beside its point")
    func loneLabel() throws {
        let placed = try #require(
            LabelPlacement.place([.init(text: "f16", x: 50, y: 50)], frame: Box(x: 0, y: 0, width: 400, height: 300))
                .first)
        #expect(!placed.isDistant && placed.box.x == 60 && placed.box.y + LabelPlacement.lineHeight / 2 == 50)
    }

    @Test("Heights move apart as little as needed and stay in their range")
    func spreadHeights() {
        let line = LabelPlacement.lineHeight
        #expect(LabelPlacement.spread([100, 20], within: 0...200) == [100, 20])
        #expect(LabelPlacement.spread([50, 50], within: 0...200) == [50 - line / 2, 50 + line / 2])
        #expect(LabelPlacement.spread([0, 1], within: 0...200) == [0, line])
        #expect(LabelPlacement.spread([199, 200], within: 0...200) == [200 - line, 200])
        let many = LabelPlacement.spread([10, 12, 90, 91, 92, 11], within: 0...200).sorted()
        #expect(zip(many, many.dropFirst()).allSatisfy { $1 - $0 >= line - 1e-9 })
    }

    // MARK: Styles and numbers

    @Test("Fifty-six series are told apart")
    func styles() {
        #expect(Set((0..<56).map { SeriesStyle(index: $0) }).count == 56)
        // Neighbours differ in colour and in marker.
        for index in 0..<55 {
            let (one, next) = (SeriesStyle(index: index), SeriesStyle(index: index + 1))
            #expect(one.colour != next.colour && one.marker != next.marker)
        }
    }

    @Test("Numbers")
    func numbers() {
        #expect(NumberText.fixed(1234567.891, 1) == "1,234,567.9")
        #expect(NumberText.fixed(-0.04, 1) == "0.0" && NumberText.fixed(-1.25, 1).hasPrefix("\u{2212}1."))
        #expect(
            NumberText.tick(0.001) == "0.001" && NumberText.tick(2000) == "2,000" && NumberText.tick(0.25) == "0.25")
        #expect(NumberText.tick(0) == "0" && NumberText.tick(1e-6) == "0.000001" && NumberText.tick(-4) == "\u{2212}4")
        #expect(NumberText.significant(0.050634) == "0.0506" && NumberText.significant(28.0512) == "28.1")
        #expect(NumberText.bytes(48_128_000) == "45.9 MiB" && NumberText.bytes(12) == "12 bytes")
    }
}
