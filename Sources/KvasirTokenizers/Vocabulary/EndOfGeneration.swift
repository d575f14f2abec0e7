/// Tokens after which a model has nothing more to say.
///
/// A model file names one or two of them; others are known by their text only, as llama.cpp knows them. The texts of
/// repository and file separators are here because a model that writes one has begun another document.
enum EndOfGeneration {
    static let texts: Set<String> = [
        "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>",
        "<end_of_utterance>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "</s>", "<eos>", "<|file_sep|>", "<|repo_name|>",
        "<|fim_repo|>", "<fim-repo>", "<REPO>", "<reponame>", "<|fim_pad|>", "<fim-pad>", "<fim_pad>",
    ]

    /// The ids in `vocabulary` that end generation.
    ///
    /// A text counts only where the token is no ordinary piece of text: a vocabulary may have learned `</s>` from HTML.
    static func ids(in vocabulary: TokenizerVocabulary) -> Set<Int32> {
        var ids = vocabulary.endOfGenerationIDs
        for id in [vocabulary.eosID, vocabulary.eotID] { if let id { ids.insert(id) } }
        for (index, type) in vocabulary.types.enumerated() where type == .control || type == .userDefined {
            if texts.contains(vocabulary.tokens[index]) { ids.insert(Int32(index)) }
        }
        return ids
    }
}
