/// Times a piece of work over and over.
package struct Sampler: Sendable {
    /// Seconds to spend on samples, at least.
    package let seconds: Double
    /// Samples to take, at least; an odd number, so that the median is one of them.
    package static let fewestSamples = 5
    /// Samples to take, at most.
    private static let mostSamples = 20_001

    package init(seconds: Double) { self.seconds = seconds }

    /// Runs `work`, unmeasured for a tenth of the time and then measured; it is told how often it ran before, so that it
    /// can take turns among data.
    package func time(_ work: (_ run: Int) -> Void) -> Timing {
        let clock = ContinuousClock()
        var run = 0
        func once() -> Double {
            let start = clock.now
            work(run)
            run += 1
            return (clock.now - start) / .seconds(1)
        }
        var spent = 0.0
        repeat { spent += once() } while spent < seconds / 10
        var samples: [Double] = []
        spent = 0
        while samples.count < Self.fewestSamples || (spent < seconds && samples.count < Self.mostSamples) {
            let sample = once()
            samples.append(sample)
            spent += sample
        }
        samples.sort()
        return Timing(median: samples[samples.count / 2], fastest: samples[0])
    }
}

/// How long a piece of work took, in seconds.
package struct Timing: Sendable {
    /// What it took as a rule.
    package let median: Double
    /// What it took when nothing interfered.
    package let fastest: Double
}
