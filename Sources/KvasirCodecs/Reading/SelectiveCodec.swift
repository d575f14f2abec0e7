/// The rows of a tile that look at one KV head: query tokens, and within one the query heads of the group.
public struct QueryRows: Sendable {
    /// The KV head.
    public let head: Int
    /// All of them, a multiple of `groupSize`.
    public let rows: Int
    /// Query heads that share the KV head.
    public let groupSize: Int
    /// The first query token's position; it sees the tokens up to its own.
    public let position: Int

    /// Describes the rows of a tile.
    public init(head: Int, rows: Int, groupSize: Int, position: Int) {
        self.head = head
        self.rows = rows
        self.groupSize = groupSize
        self.position = position
    }
}

/// A key codec that reads more or fewer bits of what it stores, depending on the query.
///
/// What a query token reads depends on itself and on the tokens it sees, not on those that share its tile.
public protocol SelectiveKeyCodec: KeyCodec {
    /// Counts what query tokens read.
    var meter: ReadMeter { get }

    /// Chooses, for queries that were prepared for `score`, how much of every key to read.
    ///
    /// - Parameters:
    ///   - context: everything that some row sees, from the first page on.
    ///   - rows: the rows; all heads of a query token read the same.
    ///   - prepared: as `prepare` has left them. Without a choice, `score` reads everything.
    func choose(_ context: TokenRun, _ rows: QueryRows, prepared: UnsafeMutableRawPointer)
}

/// A value codec that reads more or fewer bits of what it stores, depending on the attention weights.
public protocol SelectiveValueCodec: ValueCodec {
    /// Counts what query tokens read.
    var meter: ReadMeter { get }

    /// Bytes of the choice of one row.
    var choiceBytes: Int { get }

    /// Chooses how much of every value to read.
    ///
    /// - Parameters:
    ///   - context: everything that some row sees, from the first page on.
    ///   - rows: the rows; all heads of a query token read the same.
    ///   - weights: `weights[row * stride + token]` for the whole context, not yet divided by the row's total.
    ///   - totals: the sum of each row's weights.
    ///   - choices: written, `choiceBytes` for each row.
    func choose(
        _ context: TokenRun, _ rows: QueryRows, weights: UnsafePointer<Float>, stride: Int,
        totals: UnsafePointer<Float>, into choices: UnsafeMutableRawPointer)

    /// Does what `mix` without choices does, reading no more than was chosen.
    func mix(
        _ run: TokenRun, head: Int, weights: UnsafePointer<Float>, rows: Int, stride: Int,
        choices: UnsafeRawPointer, into out: UnsafeMutablePointer<Float>)
}
