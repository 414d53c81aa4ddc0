//! The published test vectors of real vocabularies: every id, and the text back from the ids.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::fs;
use std::path::PathBuf;

use gguf::GgufFile;
use tokenizer_bpe::{Special, Tokenizer};

fn vocabularies() -> Vec<PathBuf> {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vocab"
    ));
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: no vocabularies at {}", folder.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "gguf"))
        .collect()
}

#[test]
fn published_vectors() {
    for path in vocabularies() {
        let tokenizer = Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap();
        let name = path.display();
        let inputs = fs::read_to_string(format!("{name}.inp")).unwrap();
        let outputs = fs::read_to_string(format!("{name}.out")).unwrap();
        let inputs: Vec<&str> = inputs.split("\n__ggml_vocab_test__\n").collect();
        // The file ends with a separator; each output line is one input.
        assert_eq!(inputs.len(), outputs.lines().count() + 1, "{name}");
        for (input, output) in inputs.iter().zip(outputs.lines()) {
            let want: Vec<u32> = output
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            let ids = tokenizer.encode_fragment(input, Special::Plain).unwrap();
            assert_eq!(ids, want, "{name}: {input:?}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), *input, "{name}");
        }
    }
}
