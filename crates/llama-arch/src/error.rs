//! What can go wrong between a GGUF file and a token.

use std::ops::RangeInclusive;

/// Errors of this crate. Each names what, where and, where it can, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file itself is at fault.
    #[error(transparent)]
    Gguf(#[from] gguf::Error),

    /// `general.architecture` names a model outside the family.
    #[error(
        "architecture `{name}` is not supported; supported are {}",
        crate::config::Architecture::NAMES.join(", ")
    )]
    UnsupportedArchitecture {
        /// The name in the file.
        name: String,
    },

    /// The architecture is known, but this model needs something that is not implemented.
    #[error("the model needs {feature}, which is not supported ({source_key})")]
    UnsupportedFeature {
        /// The missing feature.
        feature: String,
        /// The metadata key or tensor that asks for it.
        source_key: String,
    },

    /// A hyperparameter has a value no model can have.
    #[error("`{key}` is {value}: {constraint}; the file is damaged or badly converted")]
    HparamOutOfRange {
        /// Metadata key, or the name of a derived value.
        key: String,
        /// Its value, as text.
        value: String,
        /// What it must satisfy.
        constraint: String,
    },

    /// A tensor disagrees with the hyperparameters.
    #[error(
        "tensor `{name}` has shape {found:?}, expected {expected:?} (contiguous axis first): the \
         file is damaged or badly converted; download or convert it again"
    )]
    ShapeMismatch {
        /// Tensor name.
        name: String,
        /// Shape that the hyperparameters imply.
        expected: Vec<u64>,
        /// Shape in the file.
        found: Vec<u64>,
    },

    /// The file holds a tensor that no part of this architecture uses.
    #[error(
        "tensor `{name}` is not part of a `{architecture}` model as this program knows it, and \
         running without it would give wrong text; use a conversion without it"
    )]
    UnknownTensor {
        /// Tensor name.
        name: String,
        /// Architecture of the file.
        architecture: &'static str,
    },

    /// A tensor is stored in a type that cannot be computed with.
    #[error(
        "tensor `{name}` is stored as {tensor_type}, which is not supported; use a file in F32, \
         F16, BF16, Q4_0 to Q8_0 or Q2_K to Q6_K"
    )]
    UnsupportedTensorType {
        /// Tensor name.
        name: String,
        /// Name of the GGML type.
        tensor_type: &'static str,
    },

    /// A vocabulary-only file was given where weights are needed.
    #[error("the file holds a vocabulary but no weights: it can tokenize, not generate")]
    VocabularyOnly,

    /// The requested context is larger than the model was trained for.
    #[error(
        "a context of {requested} tokens was asked for, but the model's is {model}; \
         ask for at most {model}"
    )]
    ContextTooLong {
        /// Tokens asked for.
        requested: usize,
        /// The model's `context_length`.
        model: usize,
    },

    /// A prompt, or a prompt and what was generated, does not fit in the context.
    #[error(
        "{needed} tokens do not fit in the context of {available}; shorten the prompt or raise \
         the context length (the model allows {model})"
    )]
    ContextOverflow {
        /// Tokens that would have to be held.
        needed: usize,
        /// Tokens the session can hold.
        available: usize,
        /// The model's `context_length`.
        model: usize,
    },

    /// There is nothing to compute.
    #[error("the prompt is empty: at least one token is needed")]
    EmptyPrompt,

    /// A token id outside the vocabulary.
    #[error("token id {id} is not in the vocabulary of {vocab} tokens")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },

    /// A batch that this executor was not planned for, or that contradicts itself.
    #[error("invalid batch: {reason}")]
    InvalidBatch {
        /// What is wrong.
        reason: String,
    },

    /// A sampling parameter outside its range.
    #[error("{name} is {value}; it must be in {}..={}", .range.start(), .range.end())]
    InvalidSampling {
        /// Parameter name.
        name: &'static str,
        /// Value given.
        value: f32,
        /// Values allowed.
        range: RangeInclusive<f32>,
    },

    /// The forward pass produced a NaN or an infinity.
    #[error(
        "the logits of position {position} hold {count} non-finite values: the weights are \
         damaged or the computation overflowed; `trace` shows the first operation that does"
    )]
    NonFinite {
        /// Position in the sequence.
        position: usize,
        /// How many values are NaN or infinite.
        count: usize,
    },

    /// The request was cancelled between two steps.
    #[error("cancelled")]
    Cancelled,

    /// The plan needs more memory than there is.
    #[error("{needed} bytes are needed, {available} are available; {advice}")]
    OutOfMemory {
        /// Bytes the plan needs.
        needed: u64,
        /// Bytes free.
        available: u64,
        /// What would fit.
        advice: String,
    },

    /// The asked-for device cannot be used.
    #[error("device {device} cannot be used: {reason}; choose another device")]
    DeviceUnavailable {
        /// The device as asked for.
        device: String,
        /// Why.
        reason: String,
    },

    /// The device failed while it computed; its state cannot be trusted any more.
    #[error("the device failed in {op}: {reason}")]
    DeviceFailed {
        /// Operation that failed.
        op: &'static str,
        /// What the device said.
        reason: String,
    },
}

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
