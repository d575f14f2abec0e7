import ArgumentParser
import KernelBenchmarks
import KvasirCache
import KvasirCodecs
import KvasirNumerics

/// The command line: `kernel-bench [KERNEL …]`.
@main
struct KernelBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernel-bench",
        abstract: "Times the kernels and compares them with what this machine does at most.",
        discussion: """
            Without options: every kernel, every registered codec with all its parameters, every weight format, every \
            instruction set of this machine. See Benchmarks/README.md for how to read the columns.
            """)

    @Argument(help: "What to time: score, mix, encode, attention, linear, limits.")
    var kernels = Kernel.allCases

    @Option(help: ArgumentHelp("Codec to time, as in --cache; may be given more than once.", valueName: "name"))
    var codec: [String] = []

    @Option(help: ArgumentHelp("Weight format to time; may be given more than once.", valueName: "name"))
    var format: [String] = []

    @Option(help: ArgumentHelp("Instruction set to time; may be given more than once.", valueName: "name"))
    var isa: [String] = []

    @Option(
        name: [.customLong("threads"), .customShort("t")],
        help: ArgumentHelp("Threads to compute with. (default: one per processor)", valueName: "count"))
    var threads: Int?

    @Option(help: ArgumentHelp("Seconds to spend on every figure, at least.", valueName: "seconds"))
    var seconds = 0.2

    @Flag(help: "Prints one JSON object.")
    var json = false

    @OptionGroup(title: "Cache (default: that of SmolLM2-135M)") var cache: CacheOptions
    @OptionGroup(title: "Linear layers (default: the down projection of SmolLM2-135M)") var linear: LinearOptions

    func validate() throws {
        guard seconds > 0, seconds <= 60 else {
            throw ValidationError("--seconds: received \(seconds); use more than 0 and at most 60")
        }
        _ = try codecs()
        _ = try formats()
        _ = try instructionSets()
        _ = try threadPool()
    }

    func run() throws {
        let threads = try threadPool()
        let sampler = Sampler(seconds: seconds)
        let machine = MachineLimits(threads: threads, sampler: sampler)
        let report = Report(isJSON: json, threads: threads.threadCount)
        if kernels.contains(.limits) { limits(machine, into: report) }
        for codec in try codecs() {
            for instructionSet in try instructionSets() {
                let benchmark = CodecBenchmark(
                    codec: codec, instructionSet: instructionSet, shape: cache.shape, machine: machine,
                    threads: threads, sampler: sampler)
                do throws(CodecError) {
                    if kernels.contains(.score) { report.add(try benchmark.score(tiles: cache.tiles)) }
                    if kernels.contains(.mix) { report.add(try benchmark.mix(tiles: cache.tiles)) }
                    if kernels.contains(.encode) { report.add(try benchmark.encode()) }
                } catch {
                    report.leaveOut("\(codec.name): \(error)")
                    break
                }
                guard kernels.contains(.attention) else { continue }
                do throws(CacheError) {
                    let benchmark = AttentionBenchmark(
                        cache: try CacheConfiguration(parsing: codec.name), instructionSet: instructionSet,
                        shape: cache.shape, machine: machine, threads: threads, sampler: sampler)
                    report.add([try benchmark.decode()])
                } catch {
                    report.leaveOut("\(codec.name): \(error)")
                    break
                }
            }
        }
        if kernels.contains(.linear) {
            for format in try formats() {
                for instructionSet in try instructionSets() {
                    let benchmark = LinearBenchmark(
                        format: format, instructionSet: instructionSet, shape: linear.shape, machine: machine,
                        threads: threads, sampler: sampler)
                    guard let results = benchmark.multiply(batches: linear.batch) else {
                        report.leaveOut("\(format.rawValue): does not take rows of \(linear.weightColumns) columns")
                        break
                    }
                    report.add(results)
                }
            }
        }
        try report.finish()
    }

    private func limits(_ machine: MachineLimits, into report: Report) {
        for instructionSet in InstructionSet.supported {
            report.add(
                MachineFigure(
                    resource: "f32 multiply-add, \(instructionSet)",
                    operationsPerSecond: 2 * machine.multiplyAdds(instructionSet), unit: "GFLOP/s"))
            report.add(
                MachineFigure(
                    resource: "int8 dot product, \(instructionSet)",
                    operationsPerSecond: 2 * machine.dotProducts(instructionSet), unit: "GOP/s"))
        }
        for shift in stride(from: 15, through: 29, by: 2) {
            report.add(
                MachineFigure(
                    resource: "read \((1 << shift) / 1024) KiB",
                    operationsPerSecond: machine.readBandwidth(size: 1 << shift), unit: "GB/s"))
            report.add(
                MachineFigure(
                    resource: "write \((1 << shift) / 1024) KiB",
                    operationsPerSecond: machine.writeBandwidth(size: 1 << shift), unit: "GB/s"))
        }
    }

    private func codecs() throws -> [any CacheCodec] {
        guard !codec.isEmpty else { return CodecRegistry.families.flatMap(\.members) }
        do throws(CodecError) {
            return try codec.map { (name) throws(CodecError) in try CodecRegistry.codec(named: name) }
        } catch {
            throw ValidationError("--codec: \(error)")
        }
    }

    private func formats() throws -> [LinearFormat] {
        guard !format.isEmpty else { return LinearFormat.allCases }
        return try format.map { name in
            guard let known = LinearFormat.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() })
            else {
                let names = LinearFormat.allCases.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--format: there is no weight format '\(name)'; use one of \(names)")
            }
            return known
        }
    }

    private func instructionSets() throws -> [InstructionSet] {
        guard !isa.isEmpty else { return InstructionSet.supported }
        return try isa.map { name in
            guard let known = InstructionSet(rawValue: name), known.isSupported else {
                let names = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
                throw ValidationError("--isa: this machine does not execute '\(name)'; use one of \(names)")
            }
            return known
        }
    }

    private func threadPool() throws -> ThreadPool {
        do throws(ThreadPoolError) {
            return try ThreadPool(threadCount: threads ?? ThreadPool.defaultThreadCount)
        } catch {
            throw ValidationError("--threads: \(error)")
        }
    }
}

/// What can be timed.
enum Kernel: String, CaseIterable, ExpressibleByArgument {
    case limits, score, mix, encode, attention, linear
}
