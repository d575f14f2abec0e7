import ArgumentParser
import Foundation
import KvasirCache
import KvasirEngine
import KvasirNumerics

/// The session that a command goes on with, and saves.
struct SessionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Goes on with a session of this name if there is one, and saves it at the end: a prompt that begins with the "
                + "same text is not computed again.", valueName: "name"))
    var session: String?

    @Option(
        help: ArgumentHelp("Where the session's file is.", valueName: "directory"),
        completion: .directory)
    var sessionDir: String?

    func validate() throws {
        guard (session == nil) == (sessionDir == nil) else {
            throw ValidationError("--session and --session-dir need each other: give both")
        }
    }

    /// What was asked for, checked before a model is loaded; nil for no session.
    func place() throws -> Place? {
        guard let session, let sessionDir else { return nil }
        // A file that becomes too long is to be an error, not the end of the process.
        signal(SIGXFSZ, SIG_IGN)
        return Place(name: try SessionName(session), store: try SessionStore(path: sessionDir))
    }

    /// A session and where it is kept.
    struct Place {
        let name: SessionName
        let store: SessionStore

        /// Takes what was saved, if anything was.
        ///
        /// - Returns: what the session depends on, for saving it.
        func restore(into session: GenerationSession) throws -> SessionIdentity {
            let engine = session.engine
            guard !engine.plan.hasSidePages else {
                throw UsageError(
                    message:
                        "--session: a cache with windows, or of a model with sliding windows, can be saved where a page "
                        + "ends only; choose another cache, or let 'kvasir serve' keep the session")
            }
            let identity = try SessionIdentity(engine)
            do {
                let image = try store.open(
                    name, identity: identity, plan: engine.plan, vocabularySize: engine.vocabularySize)
                try session.restore(image)
                Console.note("kvasir: session '\(name)' has \(image.tokens.count) tokens")
            } catch let error as SessionError where error.reason == .notFound {
                Console.note("kvasir: session '\(name)' is new")
            }
            return identity
        }

        /// Saves what is cached.
        func save(_ session: GenerationSession, _ identity: SessionIdentity) throws {
            let record = try session.save(name, to: store, identity: identity)
            Console.note("kvasir: session '\(name)': \(record.tokens) tokens saved, \(ByteCount(record.bytes))")
        }
    }
}
