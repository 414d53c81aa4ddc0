//! Seeded random-weight GGUF models.
