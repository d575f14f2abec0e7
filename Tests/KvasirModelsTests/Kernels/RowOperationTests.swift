import Foundation
import KvasirNumerics
import Testing

@Suite("Row operations")
struct RowOperationTests {
    /// Below, at and above every vector width, and the sizes of a model.
    static let counts = [1, 2, 3, 7, 8, 15, 16, 17, 31, 63, 64, 65, 200, 576, 1_000]

    func isClose(_ value: Float, _ expected: Double, _ tolerance: Double) -> Bool {
        (Double(value) - expected).magnitude <= tolerance * expected.magnitude + 0x1p-149
    }

    @Test("RMS norm divides by the root of the mean square", arguments: InstructionSet.supported)
    func rmsNorm(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts {
            let x = randomActivations(count, seed: 30)
            let weight = randomActivations(count, seed: 31)
            var out = [Float](repeating: .nan, count: count)
            operations.rmsNorm(x, weight: weight, into: &out, count: count, epsilon: 1e-5)
            let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(count)
            let factor = 1 / (mean + Double(Float(1e-5))).squareRoot()
            // The squares are all positive: their sum errs by less than one rounding per addition.
            let tolerance = 0x1p-24 * Double(count / 2 + 8)
            for i in 0..<count { #expect(isClose(out[i], Double(x[i]) * factor * Double(weight[i]), tolerance)) }
            var inPlace = x
            inPlace.withUnsafeMutableBufferPointer { row in
                guard let base = row.baseAddress else { return }
                operations.rmsNorm(base, weight: weight, into: base, count: count, epsilon: 1e-5)
            }
            #expect(inPlace == out)
        }
    }

    @Test("Rotations turn each pair by its angle and keep its length", arguments: InstructionSet.supported)
    func rotations(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for pairs in Self.counts {
            let x = randomActivations(2 * pairs, seed: 32)
            let angles = randomActivations(pairs, seed: 33)
            let (cosines, sines) = (angles.map { cosf($0) }, angles.map { sinf($0) })
            var interleaved = x
            operations.rotateInterleaved(&interleaved, cosines: cosines, sines: sines, pairs: pairs)
            var halves = x
            operations.rotateHalves(&halves, cosines: cosines, sines: sines, pairs: pairs)
            for i in 0..<pairs {
                let (c, s) = (Double(cosines[i]), Double(sines[i]))
                for (row, first, second) in [(interleaved, 2 * i, 2 * i + 1), (halves, i, i + pairs)] {
                    let (a, b) = (Double(x[first]), Double(x[second]))
                    let tolerance = 0x1p-22 * (a.magnitude + b.magnitude)
                    #expect((Double(row[first]) - (a * c - b * s)).magnitude <= tolerance)
                    #expect((Double(row[second]) - (a * s + b * c)).magnitude <= tolerance)
                }
            }
        }
    }

    @Test("SwiGLU multiplies by the sigmoid-weighted gate", arguments: InstructionSet.supported)
    func swiGLU(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts {
            var gate = randomActivations(count, seed: 34).map { $0 * 20 }
            if count > 6 { gate.replaceSubrange(0..<4, with: [0, -0.0, 200, -200]) }
            let up = randomActivations(count, seed: 35)
            var out = [Float](repeating: .nan, count: count)
            operations.swiGLU(gate: gate, up: up, into: &out, count: count)
            for i in 0..<count {
                let expected = Double(gate[i]) / (1 + exp(-Double(gate[i]))) * Double(up[i])
                // Below exp(-87) the denominator is infinite or nearly so; the result is next to nothing.
                #expect(isClose(out[i], expected, 1e-6) || (Double(out[i]) - expected).magnitude < 1e-35)
            }
            for takesUp in [false, true] {
                var target = takesUp ? up : gate
                target.withUnsafeMutableBufferPointer { row in
                    guard let base = row.baseAddress else { return }
                    if takesUp {
                        operations.swiGLU(gate: gate, up: base, into: base, count: count)
                    } else {
                        operations.swiGLU(gate: base, up: up, into: base, count: count)
                    }
                }
                #expect(bitPatterns(target) == bitPatterns(out))
            }
        }
        var bad: [Float] = [.nan, .infinity, -.infinity, 1]
        operations.swiGLU(gate: [.nan, .infinity, 1, 1], up: [1, 1, .nan, 1], into: &bad, count: 4)
        #expect(bad[0].isNaN && bad[1] == .infinity && bad[2].isNaN && bad[3].isFinite)
    }

    @Test("Layer norm takes the mean away and divides by the deviation", arguments: InstructionSet.supported)
    func layerNorm(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts {
            // Far from zero: the variance must not be the difference of two large sums.
            let x = randomActivations(count, seed: 41).map { $0 + 50 }
            let (weight, bias) = (randomActivations(count, seed: 42), randomActivations(count, seed: 43))
            var out = [Float](repeating: .nan, count: count)
            operations.layerNorm(x, weight: weight, bias: bias, into: &out, count: count, epsilon: 1e-5)
            let mean = x.reduce(0.0) { $0 + Double($1) } / Double(count)
            let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(count)
            let factor = 1 / (variance + Double(Float(1e-5))).squareRoot()
            for i in 0..<count {
                let scale = Double(weight[i]) * factor
                let expected = (Double(x[i]) - mean) * scale + Double(bias[i])
                // The mean of values near 50 errs by a few of their roundings.
                let tolerance =
                    0x1p-24 * (50 * 8 * scale.magnitude + 8 * expected.magnitude + 8 * Double(bias[i]).magnitude)
                #expect((Double(out[i]) - expected).magnitude <= tolerance * Double(1 + count / 64))
            }
            var inPlace = x
            inPlace.withUnsafeMutableBufferPointer { row in
                guard let base = row.baseAddress else { return }
                operations.layerNorm(base, weight: weight, bias: bias, into: base, count: count, epsilon: 1e-5)
            }
            #expect(inPlace == out)
        }
    }

    @Test("GELU is that of the approximation by tanh", arguments: InstructionSet.supported)
    func gelu(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        func exact(_ x: Float) -> Double {
            let x = Double(x)
            return x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        }
        for count in Self.counts {
            var x = randomActivations(count, seed: 44).map { $0 * 6 }
            if count > 6 { x.replaceSubrange(0..<5, with: [0, -0.0, 200, -200, 1e15]) }
            let up = randomActivations(count, seed: 45)
            var plain = x
            operations.gelu(&plain, count: count)
            var gated = [Float](repeating: .nan, count: count)
            operations.geGLU(gate: x, up: up, into: &gated, count: count)
            for i in 0..<count {
                // The argument of the exponential errs by its own rounding: up to 2^-23 of 60.
                #expect(isClose(plain[i], exact(x[i]), 1e-5) || (Double(plain[i]) - exact(x[i])).magnitude < 1e-30)
                #expect(gated[i] == plain[i] * up[i])
            }
        }
        var bad: [Float] = [.nan, .infinity, 1]
        operations.gelu(&bad, count: 3)
        #expect(bad[0].isNaN && bad[1] == .infinity && bad[2].isFinite)
    }

    @Test("ReLU passes what is positive", arguments: InstructionSet.supported)
    func relu(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts {
            let x = randomActivations(count, seed: 46)
            var y = x
            operations.relu(&y, count: count)
            #expect(y == x.map { max($0, 0) })
        }
        var bad: [Float] = [.nan, -.infinity, .infinity]
        operations.relu(&bad, count: 3)
        #expect(bad[0].isNaN && bad[1] == 0 && bad[2] == .infinity)
    }

    @Test("The exponential errs by less than 2e-7 over the whole range", arguments: InstructionSet.supported)
    func exponential(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        let x = stride(from: Float(-87.3), through: 80, by: 0.003).map { $0 }
        var y = x
        _ = operations.exponentiate(&y, count: y.count, minus: 0)
        for (value, argument) in zip(y, x) { #expect(isClose(value, exp(Double(argument)), 2e-7)) }

        var edges: [Float] = [-.infinity, -.greatestFiniteMagnitude, -104, -88, 0, .nan]
        _ = operations.exponentiate(&edges, count: edges.count, minus: 0)
        #expect(edges[0] == 0 && edges[1] == 0 && edges[2] == 0)
        #expect(edges[3] == 0, "a softmax has no use for what is below the normal numbers")
        #expect(edges[4] == 1 && edges[5].isNaN)
    }

    @Test("An element's result does not depend on its place", arguments: InstructionSet.supported)
    func placesAreEqual(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for value in randomActivations(50, seed: 36) {
            var row = [Float](repeating: value * 9, count: 77)
            _ = operations.exponentiate(&row, count: row.count, minus: 3)
            #expect(Set(bitPatterns(row)).count == 1)
            let gate = [Float](repeating: value * 5, count: 77)
            operations.swiGLU(gate: gate, up: gate, into: &row, count: row.count)
            #expect(Set(bitPatterns(row)).count == 1)
        }
    }

    @Test("Softmax sums to one and passes over masked places", arguments: InstructionSet.supported)
    func softmax(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts {
            var x = randomActivations(count, seed: 37).map { $0 * 10 }
            if count > 3 { x[1] = -.infinity }
            let largest = Double(x.max() ?? 0)
            let total = x.reduce(0.0) { $0 + exp(Double($1) - largest) }
            var y = x
            operations.softmax(&y, count: count)
            for (value, argument) in zip(y, x) {
                // The difference x - max is rounded too: an error of half a unit in the last place of up to 40.
                #expect(isClose(value, exp(Double(argument) - largest) / total, 4e-6))
            }
            #expect((y.reduce(0.0) { $0 + Double($1) } - 1).magnitude < 1e-5)
        }
        var masked = [Float](repeating: -.infinity, count: 20)
        operations.softmax(&masked, count: 20)
        #expect(masked.allSatisfy { $0 == 0 })
    }

    @Test("Adding and scaling act on each element", arguments: InstructionSet.supported)
    func addAndScale(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts {
            let (x, y) = (randomActivations(count, seed: 38), randomActivations(count, seed: 39))
            var sum = x
            operations.add(y, to: &sum, count: count)
            #expect(sum == zip(x, y).map { $0 + $1 })
            operations.scale(&sum, by: 0.3, count: count)
            #expect(sum == zip(x, y).map { ($0 + $1) * 0.3 })
        }
    }

    @Test("The largest element is found first and NaN is passed over", arguments: InstructionSet.supported)
    func largest(instructionSet: InstructionSet) {
        let operations = RowKernels(instructionSet)
        for count in Self.counts + [300] {
            for place in Set([0, count / 2, count - 1]) {
                var x = randomActivations(count, seed: 40)
                x[place] = 5
                if place + 1 < count { x[count - 1] = 5 }
                #expect(operations.max(x, count: count) == 5)
                #expect(operations.argmax(x, count: count) == place)
                if place > 0 { x[0] = .nan }
                #expect(operations.max(x, count: count) == 5)
                #expect(operations.argmax(x, count: count) == place)
            }
        }
        #expect(operations.max([], count: 0) == -.infinity)
        #expect(operations.max([.nan, .nan], count: 2) == -.infinity)
        #expect(operations.argmax([], count: 0) == 0)
        #expect(operations.argmax([.nan, -.infinity], count: 2) == 1)
        #expect(operations.argmax([.nan, .nan], count: 2) == 0)
        #expect(operations.argmax([.nan, -.infinity, .infinity], count: 3) == 2)
    }
}
