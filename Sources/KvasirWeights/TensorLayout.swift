/// How many rows, columns and bytes a tensor of a given type and shape has, with every product checked.
struct TensorLayout: Hashable, Sendable {
    let columns: Int
    let rows: Int
    let rowBytes: Int
    let byteCount: Int

    /// Why a shape cannot be.
    enum Problem: Error, Hashable {
        case dimensionNotPositive(index: Int, value: Int)
        case partialBlock(columns: Int, blockValues: Int)
        case tooLarge

        var text: String {
            switch self {
            case .dimensionNotPositive(let index, let value): "dimension \(index) is \(value)"
            case .partialBlock(let columns, let blockValues):
                "its rows of \(columns) values do not divide into blocks of \(blockValues)"
            case .tooLarge: "its size exceeds what this machine addresses"
            }
        }
    }

    /// `shape[0]` is the length of a contiguous row; an empty shape is one value.
    init(type: TensorType, shape: [Int]) throws(Problem) {
        for (index, value) in shape.enumerated() where value < 1 {
            throw .dimensionNotPositive(index: index, value: value)
        }
        columns = shape.first ?? 1
        guard columns % type.blockValues == 0 else {
            throw .partialBlock(columns: columns, blockValues: type.blockValues)
        }
        var rows = 1
        for dimension in shape.dropFirst() { rows = try Self.product(rows, dimension) }
        self.rows = rows
        rowBytes = try Self.product(columns / type.blockValues, type.blockBytes)
        byteCount = try Self.product(rows, rowBytes)
        // Buffers of the converted values must be addressable too.
        _ = try Self.product(Self.product(rows, columns), MemoryLayout<Float>.stride)
    }

    private static func product(_ a: Int, _ b: Int) throws(Problem) -> Int {
        let (result, overflow) = a.multipliedReportingOverflow(by: b)
        guard !overflow else { throw .tooLarge }
        return result
    }
}
