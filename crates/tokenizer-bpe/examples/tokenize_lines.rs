//! Encodes NUL-separated texts from standard input, one line of ids each:
//! `encode_lines MODEL.gguf [--parse] < texts`.

use std::io::{Read, Write, stdin, stdout};

use tokenizer_bpe::{Special, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let model = arguments
        .first()
        .ok_or("usage: encode_lines MODEL.gguf [--parse] < texts")?;
    let parse = arguments.iter().any(|argument| argument == "--parse");
    let special = if parse {
        Special::Parse
    } else {
        Special::Plain
    };
    let tokenizer = Tokenizer::from_gguf(&gguf::GgufFile::open(model)?)?;
    let mut texts = String::new();
    stdin().read_to_string(&mut texts)?;
    let mut lines = String::new();
    for text in texts.split('\0') {
        let ids = tokenizer.encode_fragment(text, special)?;
        let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
        lines.push_str(&ids.join(" "));
        lines.push('\n');
    }
    stdout().write_all(lines.as_bytes())?;
    Ok(())
}
