//! Encodes and decodes JSON lines, for comparison with other implementations:
//! `tokenize_lines MODEL.gguf [--parse] < lines`.
//!
//! A line with a string is answered by its ids, a line with ids by the two texts that they stand
//! for: with control tokens and without.

use std::io::{BufRead, BufWriter, Write, stdin, stdout};

use serde_json::{Value, json};
use tokenizer_bpe::{Special, SpecialText, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, special) = match arguments.as_slice() {
        [model] => (model, Special::Plain),
        [model, flag] if flag == "--parse" => (model, Special::Parse),
        _ => return Err("usage: tokenize_lines MODEL.gguf [--parse] < lines".into()),
    };
    let tokenizer = Tokenizer::from_gguf(&gguf::GgufFile::open(model)?)?;
    let mut out = BufWriter::new(stdout().lock());
    for line in stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Value::String(text) => json!(tokenizer.encode_fragment(&text, special)?),
            ids => {
                let ids: Vec<u32> = serde_json::from_value(ids)?;
                let text = |special| tokenizer.decode_with(&ids, special);
                json!([text(SpecialText::Show)?, text(SpecialText::Hide)?])
            }
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(())
}
