//! The Llama family of transformers.
