import Testing

@testable import KvasirHub

@Suite struct TerminalProgressTests {
    private let start = ContinuousClock.now

    private func state(_ received: Int64, _ total: Int64? = 100_000_000, _ phase: PullProgress.Phase = .downloading)
        -> PullProgress
    {
        PullProgress(phase: phase, name: "m.gguf", receivedBytes: received, totalBytes: total)
    }

    @Test func theLineSaysPercentMegabytesSpeedAndTimeLeft() {
        #expect(
            TerminalProgress.line(state(25_000_000), bytesPerSecond: 2_500_000)
                == "m.gguf: downloading  25 %  25.0 of 100.0 MB  2.5 MB/s  30 s left")
        #expect(TerminalProgress.line(state(0), bytesPerSecond: nil) == "m.gguf: downloading  0 %  0.0 of 100.0 MB")
        #expect(
            TerminalProgress.line(state(1_270_000, nil), bytesPerSecond: 5e5)
                == "m.gguf: downloading  1.3 MB  0.5 MB/s")
        #expect(
            TerminalProgress.line(state(50, 100, .verifying), bytesPerSecond: 9)
                == "m.gguf: verifying  50 %  0.0 of 0.0 MB")
        #expect(
            TerminalProgress.line(state(200, 100), bytesPerSecond: nil) == "m.gguf: downloading  100 %  0.0 of 0.0 MB")
    }

    @Test(arguments: [
        (0.2, "1 s"), (59, "59 s"), (59.5, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (1e300, "days"),
        (.infinity, "days"),
    ])
    func durationsReadAsAPersonSaysThem(_ seconds: Double, _ text: String) {
        #expect(TerminalProgress.duration(seconds) == text)
    }

    @Test func aTerminalLineIsRedrawnAtMostEveryInterval() {
        var text = TerminalProgress(isTerminal: true)
        var drawn = 0
        for step in 0..<1000 {
            let output = text.update(state(Int64(step) * 100_000), at: start + .milliseconds(step * 2))
            if let output {
                drawn += 1
                #expect(output.hasPrefix("\r") && output.hasSuffix("\u{1B}[K") && !output.contains("\n"))
            }
        }
        #expect(drawn == 10)
    }

    @Test func aNewPhaseIsDrawnAtOnce() {
        var text = TerminalProgress(isTerminal: true)
        _ = text.update(state(0), at: start)
        #expect(text.update(state(1), at: start) == nil)
        #expect(text.update(state(0, 5, .verifying), at: start)?.contains("verifying") == true)
    }

    @Test func theSpeedIsThatOfTheLastSeconds() {
        var text = TerminalProgress(isTerminal: true, width: 200)
        // One megabyte a second at first, then ten: after more than a window only the ten count.
        var received: Int64 = 0
        var last = ""
        for second in 0..<30 {
            received += second < 10 ? 1_000_000 : 10_000_000
            last = text.update(state(received, 1_000_000_000), at: start + .seconds(second)) ?? last
        }
        #expect(last.contains("  10.0 MB/s  "))
    }

    @Test func bytesOfAnEarlierRunAreNotCountedAsSpeed() {
        var text = TerminalProgress(isTerminal: true, width: 200)
        _ = text.update(state(50_000_000), at: start)
        #expect(text.update(state(51_000_000), at: start + .seconds(1))?.contains("  1.0 MB/s  ") == true)
    }

    @Test func inANarrowTerminalTheNameGivesWayFirst() {
        var long = state(25_000_000)
        long.name = "SmolLM2-135M-Instruct.Q4_1.gguf"
        let whole = TerminalProgress.line(long, bytesPerSecond: 2.5e6)
        #expect(whole == "\(long.name): downloading  25 %  25.0 of 100.0 MB  2.5 MB/s  30 s left")
        let narrow = TerminalProgress.line(long, bytesPerSecond: 2.5e6, width: 79)
        #expect(narrow == "SmolLM2-135M-Instruc…: downloading  25 %  25.0 of 100.0 MB  2.5 MB/s  30 s left")
        #expect(narrow.count == 79)
    }

    @Test(arguments: [20, 30, 40, 80, 200])
    func noLineIsAsWideAsTheTerminal(_ width: Int) {
        var text = TerminalProgress(isTerminal: true, width: width)
        let output = text.update(state(25_000_000), at: start) ?? ""
        #expect(output.dropFirst().prefix { $0 != "\u{1B}" }.count < width)
    }

    @Test func waitingForAnotherProcessIsSaidAndNotTakenForAFetch() {
        var log = TerminalProgress(isTerminal: false)
        #expect(log.update(state(0, nil, .waiting), at: start) == "waiting m.gguf\n")
        #expect(log.finish("m.gguf", at: start) == "m.gguf was fetched by another process\n")
        // The other process failed, so this one fetches after all.
        #expect(log.update(state(0), at: start) == "downloading m.gguf (100.0 MB)\n")
        #expect(log.update(state(1), at: start) == nil)
    }

    @Test func elsewhereThereIsOneLineAtTheStartAndOneAtTheEnd() {
        var text = TerminalProgress(isTerminal: false)
        let written = [
            text.update(state(0), at: start), text.update(state(1), at: start + .seconds(1)),
            text.update(state(0, 100_000_000, .verifying), at: start + .seconds(2)),
            text.finish("m.gguf", at: start + .seconds(3)),
        ]
        #expect(
            written.compactMap(\.self) == ["downloading m.gguf (100.0 MB)\n", "fetched m.gguf (100.0 MB) in 3.0 s\n"])
    }

    @Test func nothingIsSaidOfAModelThatWasThere() {
        let text = TerminalProgress(isTerminal: true)
        #expect(text.finish("m.gguf", at: start) == nil)
        #expect(text.abandon() == nil)
    }

    @Test func theTerminalIsLeftCleanForAnError() {
        var text = TerminalProgress(isTerminal: true)
        _ = text.update(state(1), at: start)
        #expect(text.abandon() == "\r\u{1B}[K")
        var log = TerminalProgress(isTerminal: false)
        _ = log.update(state(1), at: start)
        #expect(log.abandon() == nil)
    }
}
