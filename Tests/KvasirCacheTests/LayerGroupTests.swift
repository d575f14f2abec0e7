import KvasirCache
import KvasirCodecs
import KvasirNumerics
import Testing

struct LayerGroupTests {
    @Test("Layers that are alike are one group, whose storage is that of each", arguments: [1, 2, 30])
    func groups(layers: Int) throws {
        let shape = CacheShape(layers: layers, heads: HeadShape(kvHeads: 2, headSize: 32), queryHeads: 4)
        let plan = try CachePlan(
            CacheConfiguration(keys: "f16", values: "nf4/b32"), shape: shape, instructionSet: .generic)
        let groups = plan.layerGroups
        #expect(groups.map(\.layers) == [0...layers - 1])
        #expect(groups.map(\.keyName) == ["f16"] && groups.map(\.valueName) == ["nf4/b32"])
        #expect(groups[0].keyStorage == plan.layers[0].keys.storage)
        #expect(groups[0].valueStorage == plan.layers[0].values.storage)
    }

    @Test("A budget's capacity is whole pages, and room is refused from one token more on")
    func capacity() throws {
        let shape = CacheShape(layers: 2, heads: HeadShape(kvHeads: 1, headSize: 32), queryHeads: 1)
        let plan = try CachePlan(CacheConfiguration(parsing: "f16"), shape: shape, instructionSet: .generic)
        let pool = PagePool(plan: plan, budget: plan.pageBytes * 3 - 1)
        #expect(pool.tokenCapacity() == 2 * PageGeometry.tokens)
        try pool.checkRoom(forTokens: 2 * PageGeometry.tokens)
        let error = #expect(throws: CacheError.self) { try pool.checkRoom(forTokens: 2 * PageGeometry.tokens + 1) }
        #expect(error?.reason == .overBudget)
        #expect(error?.description.contains("\(plan.pageBytes * 3) bytes") == true)
        #expect(plan.f16Bytes(forTokens: 1) == plan.pageBytes)
        #expect(PagePool(plan: plan).tokenCapacity() > 1 << 40)
    }
}
