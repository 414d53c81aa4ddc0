//! Tokenizers and chat templates straight from GGUF metadata.
