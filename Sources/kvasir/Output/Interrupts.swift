import Dispatch
import Foundation
import Synchronization

/// What Ctrl-C does.
///
/// During an operation that can be stopped, the first stops it and the second ends the program. Otherwise it ends the
/// program, or does what the command wants of it.
final class Interrupts: @unchecked Sendable {  // the source is not touched after it was activated
    private struct State {
        var stop: (@Sendable () -> Void)?
        var isRaised = false
        var whenIdle: @Sendable () -> Void = { Interrupts.exit() }
    }

    private let state = Mutex(State())
    private let source: any DispatchSourceSignal

    /// Takes over Ctrl-C for the rest of the program.
    init() {
        // A handler rather than ignoring it, so that programs started from here meet the default again.
        signal(SIGINT) { _ in }
        source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global(qos: .userInitiated))
        source.setEventHandler { [weak self] in self?.receive() }
        source.activate()
    }

    /// Ends the program with the status of an interrupted one.
    static func exit() -> Never { _exit(ExitStatus.interrupted.rawValue) }

    /// Whether the operation at hand, or else the last one, was to be stopped.
    var isRaised: Bool { state.withLock(\.isRaised) }

    /// Starts an operation; Ctrl-C calls `stop`, once.
    func begin(stop: @escaping @Sendable () -> Void = {}) {
        state.withLock { state in
            state.stop = stop
            state.isRaised = false
        }
    }

    /// Ends the operation.
    func end() {
        state.withLock { $0.stop = nil }
    }

    /// Says what Ctrl-C does from now on while nothing runs that can be stopped.
    func whileIdle(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.whenIdle = action }
    }

    private func receive() {
        let action = state.withLock { state -> (@Sendable () -> Void) in
            guard let stop = state.stop else { return state.whenIdle }
            guard !state.isRaised else { return { Interrupts.exit() } }
            state.isRaised = true
            return stop
        }
        action()
    }
}
