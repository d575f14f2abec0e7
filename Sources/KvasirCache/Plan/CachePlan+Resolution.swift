internal import KvasirCodecs
internal import KvasirNumerics

/// The codecs of one layer before they are bound, and the clause they come from.
struct LayerCodecs {
    let keys: any CacheCodec
    let values: any CacheCodec
    var deviation: String?

    init(keys: any CacheCodec, values: any CacheCodec) {
        self.keys = keys
        self.values = values
    }

    /// - Throws: `CacheError` if the registry does not have them.
    init(_ names: CodecPair, of configuration: CacheConfiguration) throws(CacheError) {
        do throws(CodecError) {
            keys = try CodecRegistry.codec(named: names.keys)
            values = try CodecRegistry.codec(named: names.values)
        } catch {
            throw CacheError(.malformedConfiguration, received: configuration.description, detail: error.description)
        }
    }
}

extension CachePlan {
    /// The codecs of every layer.
    ///
    /// A layer that two overrides name is refused: which of them counts would depend on the number of layers, where one
    /// counts from the end.
    static func codecs(
        of configuration: CacheConfiguration, base: LayerCodecs, layers: Int
    ) throws(CacheError) -> [LayerCodecs] {
        var codecs = [LayerCodecs](repeating: base, count: layers)
        for override in configuration.overrides {
            var replacement = try LayerCodecs(override.codecs, of: configuration)
            replacement.deviation = override.description
            for index in try override.layers.indices(layers: layers) {
                if let other = codecs[index].deviation {
                    throw CacheError(
                        .impossibleLayer, received: "layer \(index)",
                        detail: other == override.description
                            ? "'\(other)' names it twice; name it once"
                            : "'\(other)' and '\(override)' both name it; name it once")
                }
                codecs[index] = replacement
            }
        }
        return codecs
    }

    /// What of a configuration has no effect.
    static func warnings(of configuration: CacheConfiguration, layers: [Layer]) -> [String] {
        func warning(_ part: String, _ sinks: Int, _ recent: Int, _ isUsed: (Layer) -> Bool) -> [String] {
            guard sinks + recent > 0, !layers.contains(where: isUsed) else { return [] }
            let clauses = (recent > 0 ? ["recent"] : []) + (sinks > 0 ? ["sinks"] : [])
            return [
                "no effect of \(clauses.joined(separator: " and ")) on \(part): every layer stores them as floats already"
            ]
        }
        let unmeasured = layers.contains { layer in
            guard let part = layer.keys.adaptive else { return false }
            return part.needsQueryNorms
        }
        let norms =
            unmeasured
            ? [
                "how long the model's queries are is not known, so that keys keep all bits; it is measured when the model "
                    + "is loaded, or once by 'kvasir calibrate qaq'"
            ] : []
        return norms + warning("keys", configuration.sinks.keys, configuration.recent.keys) { $0.exactKeys != nil }
            + warning("values", configuration.sinks.values, configuration.recent.values) { $0.exactValues != nil }
    }

    /// Places the parts of one layer after the other in the packed page and in the window page.
    struct Layout {
        private let configuration: CacheConfiguration
        private let contexts: LayerContexts
        private let shape: CacheShape
        private var packedBytes = 0
        private var localBytes = 0
        private var windowBytes = 0
        private var sinks = 0
        private var longest = 0
        private(set) var adaptivePlaces: [AdaptivePlace] = []

        init(_ configuration: CacheConfiguration, contexts: LayerContexts, shape: CacheShape) {
            self.configuration = configuration
            self.contexts = contexts
            self.shape = shape
        }

        /// Never nothing: pages are counted, also where all layers have a sliding window.
        var pageBytes: Int { max(packedBytes, PageGeometry.alignment) }

        var local: WindowGeometry {
            WindowGeometry(pageBytes: localBytes, sinks: 0, longest: shape.windows.compactMap { $0 }.max() ?? 0)
        }

        var window: WindowGeometry { WindowGeometry(pageBytes: windowBytes, sinks: sinks, longest: longest) }

        mutating func layer(_ index: Int, _ codecs: LayerCodecs) throws(CacheError) -> Layer {
            let context = contexts[index]
            let keys: any KeyCodec
            let values: any ValueCodec
            do throws(CodecError) {
                keys = try codecs.keys.keys(of: context)
            } catch {
                throw Self.impossible(layer: index, part: "K", codec: codecs.keys.name, error)
            }
            do throws(CodecError) {
                values = try codecs.values.values(of: context)
            } catch {
                throw Self.impossible(layer: index, part: "V", codec: codecs.values.name, error)
            }
            let keyTokens = exactTokens(
                of: keys, codecs.keys, sinks: configuration.sinks.keys, recent: configuration.recent.keys)
            let valueTokens = exactTokens(
                of: values, codecs.values, sinks: configuration.sinks.values, recent: configuration.recent.values)
            let window = self.shape.window(layer: index)
            func place(_ codec: any PageCodec, isKeys: Bool, name: String) throws(CacheError) -> Int {
                guard let part = codec.adaptive else {
                    return window == nil
                        ? Self.place(codec.storage.bytes, in: &packedBytes)
                        : Self.place(codec.storage.bytes, in: &localBytes)
                }
                guard window == nil else {
                    throw CacheError(
                        .impossibleLayer, received: "layer \(index), \(isKeys ? "K" : "V")=\(name)",
                        detail: "bits that follow attention do not go with a sliding window; "
                            + "write 'layers \(index)=lm3/b128/rot' or another codec for such layers")
                }
                let offset = Self.place(part.fixedBytes, in: &packedBytes)
                adaptivePlaces.append(AdaptivePlace(layer: index, isKeys: isKeys, offset: offset, part: part))
                return offset
            }
            return Layer(
                index: index, keyName: codecs.keys.name, valueName: codecs.values.name, deviation: codecs.deviation,
                slidingWindow: window, isAdaptive: keys.adaptive != nil || values.adaptive != nil, keys: keys,
                values: values,
                keyOffset: try place(keys, isKeys: true, name: codecs.keys.name),
                valueOffset: try place(values, isKeys: false, name: codecs.values.name),
                exactKeys: try part(keyTokens, index, "K", storage: \.storage) { (codec) throws(CodecError) in
                    try codec.keys(of: context)
                },
                exactValues: try part(valueTokens, index, "V", storage: \.storage) { (codec) throws(CodecError) in
                    try codec.values(of: context)
                }, selectiveKeys: keys as? any SelectiveKeyCodec, selectiveValues: values as? any SelectiveValueCodec)
        }

        /// The tokens of a part that are kept in f16: those the user asks for and those the method needs.
        ///
        /// None where the codec stores every token so, or better, already.
        private func exactTokens(
            of part: any PageCodec, _ codec: any CacheCodec, sinks: Int, recent: Int
        ) -> ExactTokens {
            if ["f16", "f32"].contains(codec.name) { return ExactTokens(sinks: 0, recent: 0) }
            let isGrouped = part.groupTokens > 1
            precondition(
                !isGrouped
                    || part.residualTokens > 0 && part.residualTokens % part.groupTokens == 0
                        && PageGeometry.tokens % part.groupTokens == 0,
                "groups that the window cannot serve")
            return ExactTokens(
                sinks: sinks, recent: isGrouped ? recent : max(recent, part.residualTokens),
                block: isGrouped ? part.residualTokens : 1)
        }

        /// Places the f16 copies of a part; nil if there are none.
        private mutating func part<Codec>(
            _ tokens: ExactTokens, _ layer: Int, _ name: String, storage: (Codec) -> PartStorage,
            bind: (any CacheCodec) throws(CodecError) -> Codec
        ) throws(CacheError) -> ExactPart<Codec>? {
            guard !tokens.isEmpty else { return nil }
            sinks = max(sinks, tokens.sinks)
            longest = max(longest, tokens.longest)
            do throws(CodecError) {
                let codec = try bind(try CodecRegistry.codec(named: "f16"))
                return ExactPart(
                    tokens: tokens, codec: codec, offset: Self.place(storage(codec).bytes, in: &windowBytes))
            } catch {
                throw Self.impossible(layer: layer, part: name, codec: "f16", error)
            }
        }

        private static func place(_ size: Int, in bytes: inout Int) -> Int {
            let offset = bytes
            bytes += (size + PageGeometry.alignment - 1) / PageGeometry.alignment * PageGeometry.alignment
            return offset
        }

        private static func impossible(
            layer: Int, part: String, codec: String, _ error: CodecError
        ) -> CacheError {
            CacheError(.impossibleLayer, received: "layer \(layer), \(part)=\(codec)", detail: error.description)
        }
    }
}
