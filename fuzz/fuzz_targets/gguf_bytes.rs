//! Any bytes as a file.

#![no_main]

use gguf::GgufFile;
use worker_orcd_fuzz::invariants::check_accepted;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = GgufFile::from_bytes(bytes.to_vec()) {
        check_accepted(&file);
    }
});
