//! Tokenizers and chat templates straight from GGUF metadata.

#![forbid(unsafe_code)]

mod chat;
mod error;
mod merge;
mod pretokenize;
mod special;
mod stream;
mod tokenizer;
mod unicode;
mod unigram_merge;
mod vocab;

pub use chat::{ChatTemplate, Conversation, LocalTime, Message, RenderedChat, Value};
pub use error::Error;
pub use special::Special;
pub use stream::DecodeStream;
pub use tokenizer::{SpecialText, Tokenizer};
pub use vocab::TokenizerKind;
