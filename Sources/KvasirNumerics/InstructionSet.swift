internal import CKvasir

/// An instruction set the C kernels are written for.
///
/// Chosen once at run time. `KVASIR_ISA` forces one, so that every fast kernel can be tested against its plain twin on
/// the same machine.
public enum InstructionSet: String, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// Portable C: the twin every other row is tested against.
    case generic
    /// AVX2 with FMA and F16C.
    case avx2
    /// AVX-512 with VNNI and VBMI.
    case avx512
    /// Armv8.2 with the dot-product extension.
    case neon

    /// The environment variable that forces an instruction set.
    public static let environmentVariable = "KVASIR_ISA"

    /// The number by which the C dispatch tables know this instruction set.
    public var code: UInt32 {
        switch self {
        case .generic: KV_ISA_GENERIC.rawValue
        case .avx2: KV_ISA_AVX2.rawValue
        case .avx512: KV_ISA_AVX512.rawValue
        case .neon: KV_ISA_NEON.rawValue
        }
    }

    /// The name as accepted in `KVASIR_ISA`.
    public var description: String { rawValue }

    /// Whether this machine executes the instruction set.
    public var isSupported: Bool { kv_isa_supported(kv_isa(rawValue: code)) }

    /// Every instruction set this machine executes, plainest first.
    public static var supported: [InstructionSet] { allCases.filter(\.isSupported) }

    /// The fastest instruction set this machine executes.
    public static var best: InstructionSet {
        [.avx512, .avx2, .neon].first(where: \.isSupported) ?? .generic
    }

    /// Returns the instruction set named by `KVASIR_ISA` in `environment`, or the best one if it is not set.
    ///
    /// - Throws: `InstructionSetError` if the variable names none, or one this machine does not execute.
    public static func resolve(environment: [String: String]) throws(InstructionSetError) -> InstructionSet {
        guard let name = environment[environmentVariable], !name.isEmpty else { return best }
        guard let wanted = InstructionSet(rawValue: name), wanted.isSupported else {
            throw InstructionSetError(received: name, isKnown: InstructionSet(rawValue: name) != nil)
        }
        return wanted
    }
}

/// A value of `KVASIR_ISA` that cannot be honoured.
public struct InstructionSetError: Error, Equatable, CustomStringConvertible {
    /// The value that was received.
    public let received: String
    /// Whether the name is an instruction set at all, merely one this machine lacks.
    public let isKnown: Bool

    /// One line: what was received, and what to do.
    public var description: String {
        let permitted = InstructionSet.supported.map(\.rawValue).joined(separator: ", ")
        let problem =
            isKnown ? "this machine does not execute '\(received)'" : "'\(received)' is not an instruction set"
        return "\(InstructionSet.environmentVariable): \(problem); use one of \(permitted), or leave it unset"
    }
}
