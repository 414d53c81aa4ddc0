//! Checked, borrowed views of GGUF files.
