//! Every way a vocabulary, a template or a request can be wrong.

/// What went wrong, with the key, the index or the id it went wrong at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key is missing or has another type than it must have.
    #[error(transparent)]
    Metadata(#[from] gguf::Error),
    /// `tokenizer.ggml.model` names a tokenizer that this crate does not have.
    #[error(
        "tokenizer.ggml.model is `{name}`; supported are `gpt2` (byte-level BPE) and `llama` \
         (SentencePiece-style BPE)"
    )]
    UnknownModel {
        /// The name in the file.
        name: String,
    },
    /// `tokenizer.ggml.pre` names a pre-tokenizer that this crate does not have.
    #[error("tokenizer.ggml.pre is `{name}`, no known pre-tokenizer: text would be split wrongly")]
    UnknownPreTokenizer {
        /// The name in the file.
        name: String,
    },
    /// A byte-level vocabulary does not say how text is split before it is merged.
    #[error(
        "tokenizer.ggml.pre is missing: the file was converted before pre-tokenizers were \
         recorded; convert the model again"
    )]
    MissingPreTokenizer,
    /// The vocabulary has no token.
    #[error("tokenizer.ggml.tokens is empty")]
    EmptyVocabulary,
    /// An array that has one entry a token has another length.
    #[error("{key} has {found} entries, the vocabulary has {expected}")]
    VocabMismatch {
        /// The array's key.
        key: &'static str,
        /// Tokens in the vocabulary.
        expected: usize,
        /// Entries in the array.
        found: usize,
    },
    /// An entry of `tokenizer.ggml.token_type` is no token type.
    #[error("tokenizer.ggml.token_type[{index}] is {found}, which is no token type")]
    BadTokenType {
        /// The token's id.
        index: usize,
        /// The number in the file.
        found: i32,
    },
    /// A score is not a number.
    #[error("tokenizer.ggml.scores[{index}] is not a number")]
    BadScore {
        /// The token's id.
        index: usize,
    },
    /// A key names a token that is not in the vocabulary.
    #[error("{key} is {found}, the vocabulary ends at {vocab_size}")]
    BadTokenId {
        /// The key.
        key: &'static str,
        /// The id in the file.
        found: i64,
        /// Tokens in the vocabulary.
        vocab_size: usize,
    },
    /// The file asks for a token to be added but does not say which.
    #[error("{flag} is true, but {key} is missing")]
    MissingTokenId {
        /// The key that asks.
        flag: &'static str,
        /// The key that should name the token.
        key: &'static str,
    },
    /// A byte token does not stand for one byte, or stands for one that has a token already.
    #[error("tokenizer.ggml.tokens[{index}] is the byte token `{text}`: {reason}")]
    BadByteToken {
        /// The token's id.
        index: usize,
        /// The token's text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A SentencePiece-style vocabulary cannot spell every byte.
    #[error("tokenizer.ggml.tokens has no byte token <0x{byte:02X}>")]
    MissingByteToken {
        /// The byte without a token.
        byte: u8,
    },
    /// A merge rule does not join two known tokens to a third.
    #[error("tokenizer.ggml.merges[{index}] is `{text}`: {reason}")]
    BadMerge {
        /// The rule's index.
        index: usize,
        /// The rule.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The vocabulary has no token for a byte of the text.
    #[error("the vocabulary has no token for byte 0x{byte:02X}, so this text cannot be encoded")]
    UnencodableByte {
        /// The byte.
        byte: u8,
    },
    /// An id is not in the vocabulary.
    #[error("token id {id} is out of range: the vocabulary ends at {vocab_size}")]
    UnknownToken {
        /// The id asked for.
        id: u32,
        /// Tokens in the vocabulary.
        vocab_size: usize,
    },
    /// A text or a template is longer than this crate works on.
    #[error("the {what} has {found} bytes, the limit is {limit}")]
    LimitExceeded {
        /// What is too long.
        what: &'static str,
        /// Its bytes.
        found: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The template did not end within its budget of steps or output.
    #[error("the chat template went over its budget of {budget}")]
    TemplateBudget {
        /// The budget that was spent.
        budget: &'static str,
    },
    /// The template has a fault, or refused the conversation by `raise_exception`.
    #[error("chat template: {message}")]
    Template {
        /// What the template engine or the template itself says.
        message: String,
    },
}
