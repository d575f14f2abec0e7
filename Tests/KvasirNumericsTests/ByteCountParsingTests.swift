import KvasirNumerics
import Testing

struct ByteCountParsingTests {
    @Test(
        "What people write is read",
        arguments: [
            ("1048576", 1 << 20), ("512MiB", 512 << 20), ("2 GiB", 2 << 30), ("2g", 2 << 30), ("1.5k", 1536),
            ("64MB", 64_000_000), ("1tb", 1_000_000_000_000), ("7 bytes", 7), ("7b", 7), ("0.5KiB", 512),
        ])
    func parses(text: String, bytes: Int) throws {
        #expect(try ByteCount(parsing: text).bytes == bytes)
    }

    @Test("What it prints it reads", arguments: [1, 1023, 1024, 3 << 20, 5 << 30, 7 << 40])
    func roundTrip(bytes: Int) throws {
        #expect(try ByteCount(parsing: ByteCount(bytes).description).bytes == bytes)
    }

    @Test(
        "Anything else is refused with what was received",
        arguments: ["", "lots", "-1", "0", "1.2.3", "5 apples", "0x10", "1e9", "nan", "99999999999999TiB", "MiB", "٣"])
    func refuses(text: String) {
        let error = #expect(throws: ByteCountError.self) { try ByteCount(parsing: text) }
        #expect(error?.description.contains("'\(text)'") == true)
    }
}
