/// Tokens after which a model has nothing more to say, by their texts.
///
/// A model file names one or two of them; others are known by their text only, as llama.cpp knows them. The texts of
/// repository and file separators are here because a model that writes one has begun another document.
enum EndOfGeneration {
    private static let texts: Set<[UInt8]> = Set(
        [
            "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>",
            "<end_of_utterance>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "</s>", "<eos>", "<|file_sep|>",
            "<|repo_name|>", "<|fim_repo|>", "<fim-repo>", "<REPO>", "<reponame>", "<|fim_pad|>", "<fim-pad>",
            "<fim_pad>",
        ].map { Array($0.utf8) })
    private static let longest = texts.reduce(0) { max($0, $1.count) }

    /// Whether a token with this text ends generation.
    static func contains(_ text: some Collection<UInt8>) -> Bool {
        text.count <= longest && texts.contains(Array(text))
    }
}
