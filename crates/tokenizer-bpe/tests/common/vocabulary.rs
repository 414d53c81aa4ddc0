//! Vocabularies for tests: small ones made in memory, and real ones where they lie beside the
//! workspace.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::print_stdout, reason = "what was skipped is said")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "callers make the entries in place"
)]

use std::fs;
use std::path::PathBuf;

use gguf::{GgufFile, MetadataValue, Writer};
use tokenizer_bpe::Tokenizer;

/// Files of `shared/FOLDER` beside the workspace with this extension; none, and a line that says
/// so, where the folder is not there.
pub(crate) fn shared_files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(folder);
    let Ok(entries) = fs::read_dir(&root) else {
        println!("skipped: no folder {}", root.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    paths
}

/// The real vocabularies by file name.
pub(crate) fn real_tokenizers() -> Vec<(String, Tokenizer)> {
    let load = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (
            name,
            Tokenizer::from_gguf(&GgufFile::open(&path).unwrap()).unwrap(),
        )
    };
    shared_files("vocab", "gguf")
        .into_iter()
        .map(load)
        .collect()
}

pub(crate) type Entry = (&'static str, MetadataValue);

/// A file of these keys. A later entry replaces an earlier one of the same key.
pub(crate) fn file(entries: Vec<Entry>) -> GgufFile {
    let mut writer = Writer::new();
    let last = |at: usize, key: &str| !entries[at + 1..].iter().any(|(later, _)| *later == key);
    for (at, (key, value)) in entries.iter().enumerate() {
        if last(at, key) {
            writer.metadata(*key, value.clone());
        }
    }
    GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap()
}

/// The byte alphabet, spelt out independently of the crate.
pub(crate) fn byte_chars() -> Vec<String> {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let mut shifted = 0x100;
    let mut spell = |byte: u32| {
        shifted += u32::from(!printable(byte));
        char::from_u32(if printable(byte) { byte } else { shifted - 1 })
            .unwrap()
            .to_string()
    };
    (0..256).map(&mut spell).collect()
}

/// A byte-level vocabulary: 256 bytes, `he`, `ll`, `hell`, `hello` (259), three control tokens
/// (260 `<|bos|>`, 261 `<|im_start|>`, 262 `<|im_end|>`), one user-defined (263 `<tool>`).
pub(crate) fn byte_level() -> Vec<Entry> {
    let mut tokens = byte_chars();
    tokens.extend(
        [
            "he",
            "ll",
            "hell",
            "hello",
            "<|bos|>",
            "<|im_start|>",
            "<|im_end|>",
            "<tool>",
        ]
        .map(String::from),
    );
    let mut types = vec![1_i32; 260];
    types.extend([3, 3, 3, 4]);
    let merges = ["h e", "l l", "he ll", "hell o"].map(String::from).to_vec();
    vec![
        ("tokenizer.ggml.model", "gpt2".into()),
        ("tokenizer.ggml.pre", "qwen2".into()),
        ("tokenizer.ggml.tokens", tokens.into()),
        ("tokenizer.ggml.token_type", types.into()),
        ("tokenizer.ggml.merges", merges.into()),
        ("tokenizer.ggml.bos_token_id", 260_u32.into()),
        ("tokenizer.ggml.eos_token_id", 262_u32.into()),
    ]
}

/// A SentencePiece-style vocabulary: `<unk>`, `<s>`, `</s>`, 256 byte tokens from 3 on, then
/// `▁` (259), `h`, `e`, `l`, `o`, `he`, `ll`, `▁he`, `▁hell` (267), `▁hello`, `llo` (unused, 269).
pub(crate) fn sentence_piece() -> Vec<Entry> {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    tokens.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(
        [
            "▁", "h", "e", "l", "o", "he", "ll", "▁he", "▁hell", "▁hello", "llo",
        ]
        .map(String::from),
    );
    let mut types = vec![2_i32, 3, 3];
    types.extend([6; 256]);
    types.extend([1; 10]);
    types.push(5);
    let mut scores = vec![0.0_f32; 259];
    scores.extend([
        -9.0, -9.0, -9.0, -9.0, -9.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0,
    ]);
    vec![
        ("tokenizer.ggml.model", "llama".into()),
        ("tokenizer.ggml.tokens", tokens.into()),
        ("tokenizer.ggml.scores", scores.into()),
        ("tokenizer.ggml.token_type", types.into()),
    ]
}

pub(crate) fn tokenizer(entries: Vec<Entry>) -> Tokenizer {
    Tokenizer::from_gguf(&file(entries)).unwrap()
}
