//! What can go wrong while a model is made.

use std::path::PathBuf;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a model cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sizes of the specification contradict each other.
    #[error("the specification is inconsistent: {what}")]
    Spec {
        /// What does not fit what.
        what: String,
    },
    /// The vocabulary has more tokens than the embedding table has rows.
    #[error("the vocabulary has {tokens} tokens, but the model has only {rows} rows for them")]
    VocabularyTooLarge {
        /// Tokens in the vocabulary.
        tokens: usize,
        /// Rows of the embedding table.
        rows: usize,
    },
    /// This crate has no generator for that tensor type.
    #[error("no random weights of type {tensor_type} can be made")]
    UnsupportedType {
        /// The type asked for.
        tensor_type: gguf::TensorType,
    },
    /// The file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A command line that makes no sense.
    #[error("{what}\n{}", crate::cli::USAGE)]
    Usage {
        /// What is wrong with it.
        what: String,
    },
    /// The GGUF layer refused.
    #[error(transparent)]
    Gguf(#[from] gguf::Error),
}

impl Error {
    pub(crate) fn spec(what: impl Into<String>) -> Self {
        Self::Spec { what: what.into() }
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::Usage { what: what.into() }
    }
}
