import KvasirCache
import Testing

@testable import kvasir

/// The list that `kvasir bench --cache` takes.
struct CacheListTests {
    @Test(
        "Specifications are parted at commas, except inside K=…,V=…",
        arguments: [
            ("f16", ["f16"]),
            ("f16,nf4/b64,f32", ["f16", "nf4/b64", "f32"]),
            ("K=f16,V=nf4", ["K=f16,V=nf4"]),
            ("V=nf4,K=f16", ["V=nf4,K=f16"]),
            ("k=f16,v=nf4,nf4", ["k=f16,v=nf4", "nf4"]),
            ("f16,K=f16,V=nf4,K=nf4,V=f16,nf4", ["f16", "K=f16,V=nf4", "K=nf4,V=f16", "nf4"]),
            ("f16, K = f16, V = nf4, nf4", ["f16", " K = f16, V = nf4", " nf4"]),
            // Clauses stay with what they qualify.
            ("nf4;recent=64,f16", ["nf4;recent=64", "f16"]),
            ("K=f16,V=nf4;recent=64;sinks=4,nf4", ["K=f16,V=nf4;recent=64;sinks=4", "nf4"]),
            ("nf4;recent=K:64,V:128,f16", ["nf4;recent=K:64,V:128", "f16"]),
            ("nf4; layers 0-1,-1=f16,f32", ["nf4; layers 0-1,-1=f16", "f32"]),
            ("f16; layers 0,1=K=f16,V=nf4; sinks=V:4,nf4", ["f16; layers 0,1=K=f16,V=nf4; sinks=V:4", "nf4"]),
            ("nf4;layers 0=f16,K=f16,V=nf4", ["nf4;layers 0=f16", "K=f16,V=nf4"]),
            // What is wrong stays wrong, for the configuration to say.
            ("K=f16,nf4", ["K=f16", "nf4"]),
            ("K=f16,K=nf4,V=f16", ["K=f16", "K=nf4,V=f16"]),
            ("f16,", ["f16", ""]),
            ("", [""]),
        ])
    func parting(text: String, specifications: [String]) {
        #expect(CacheList(argument: text).specifications == specifications)
    }

    @Test("Lists given one after the other are one list, and the first mistake is reported")
    func configurations() throws {
        let lists = ["f16,K=f16,V=nf4", "nf4/b64"].map { CacheList(argument: $0) }
        #expect(try lists.configurations().map(\.description) == ["f16", "K=f16,V=nf4/b256", "nf4/b64"])
        #expect(throws: (any Error).self) { try [CacheList(argument: "f16,")].configurations() }
    }
}
