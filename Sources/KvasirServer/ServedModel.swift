#if Server
internal import KvasirEngine
internal import KvasirTokenizers
internal import Synchronization

/// The model that is served, once it is loaded: the server answers `/health` before that.
final class ServedModel: Sendable {
    /// What is served.
    struct Backend: Sendable {
        let engine: any ServingBackend
        let description: ServingDescription
        /// The tokens of the vocabulary by their bytes, for constraints; made when the first one is asked for.
        let trie: LazyTokenTrie
    }

    private let backend = Mutex<Backend?>(nil)

    /// Starts to serve.
    func load(_ engine: any ServingBackend) {
        let description = engine.description
        let loaded = Backend(
            engine: engine, description: description, trie: LazyTokenTrie(description.tokenizer.vocabulary))
        backend.withLock { $0 = loaded }
    }

    /// What is served, if it is loaded.
    var current: Backend? { backend.withLock { $0 } }

    /// What is served.
    ///
    /// - Throws: `APIError` that says that it is being loaded.
    func ready() throws(APIError) -> Backend {
        guard let current else { throw .loading }
        return current
    }
}
#endif
