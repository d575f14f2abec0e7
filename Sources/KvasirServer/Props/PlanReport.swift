#if Server
internal import KvasirCache
internal import KvasirCodecs

/// A resolved cache, with the members that `kvasir explain --json` prints.
struct PlanReport {
    let plan: CachePlan
    /// The tokens whose bytes are shown.
    let context: Int

    var json: JSONNode {
        let footprint = plan.footprint(forTokens: context)
        return [
            "layers": .array(plan.layerGroups.map(layers)),
            "warnings": .array(plan.warnings.map(JSONNode.string)),
            "bytesPerToken": .number(plan.bytesPerToken),
            "windowPageBytes": .integer(plan.windowPageBytes),
            "f16BytesPerToken": .integer(plan.f16BytesPerToken),
            "pageTokens": .integer(PageGeometry.tokens),
            "cache": [
                "configuration": .string(plan.configuration.description),
                "keys": .string(plan.configuration.keys),
                "values": .string(plan.configuration.values),
                "bitsPerValueK": .number(plan.bitsPerValueK),
                "bitsPerValueV": .number(plan.bitsPerValueV),
                "context": .integer(context),
                "cachedTokens": .integer(context),
                "cacheBytes": .integer(footprint.total),
                "f16Bytes": .integer(plan.f16Bytes(forTokens: context)),
                "footprint": [
                    "keyCodes": .integer(footprint.keyCodes), "keyScales": .integer(footprint.keyScales),
                    "valueCodes": .integer(footprint.valueCodes), "valueScales": .integer(footprint.valueScales),
                    "window": .integer(footprint.window), "slack": .integer(footprint.slack),
                    "total": .integer(footprint.total),
                ],
            ],
        ]
    }

    private func layers(_ group: CachePlan.LayerGroup) -> JSONNode {
        var members: [JSONNode.Member] = [
            .init("first", .integer(group.layers.lowerBound)), .init("last", .integer(group.layers.upperBound)),
            .init("keys", part(group.keyName, group.keyStorage, group.exactKeys)),
            .init("values", part(group.valueName, group.valueStorage, group.exactValues)),
        ]
        if let deviation = group.deviation { members.append(.init("because", .string(deviation))) }
        if let window = group.slidingWindow { members.append(.init("slidingWindow", .integer(window))) }
        return .object(members)
    }

    private func part(_ codec: String, _ storage: PartStorage, _ exact: ExactTokens?) -> JSONNode {
        let width = plan.shape.heads.width
        var members: [JSONNode.Member] = [
            .init("codec", .string(codec)), .init("bitsPerValue", .number(storage.bitsPerValue(width: width))),
            .init("codeBits", .number(PartStorage(codes: storage.codes).bitsPerValue(width: width))),
            .init("scaleBits", .number(PartStorage(codes: 0, scales: storage.scales).bitsPerValue(width: width))),
        ]
        if let exact {
            members.append(
                .init(
                    "window",
                    [
                        "sinks": .integer(exact.sinks), "recent": .integer(exact.recent),
                        "block": .integer(exact.block),
                    ]))
        }
        return .object(members)
    }
}
#endif
