//! What a tokenizer costs: time to build it and to encode and decode a text.
//! `measure MODEL.gguf TEXT_FILE`

use std::time::Instant;

use tokenizer_bpe::{Special, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, text] = arguments.as_slice() else {
        return Err("usage: measure MODEL.gguf TEXT_FILE".into());
    };
    let file = gguf::GgufFile::open(model)?;
    let text = std::fs::read_to_string(text)?;
    let start = Instant::now();
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let build = start.elapsed();
    let start = Instant::now();
    let ids = tokenizer.encode_fragment(&text, Special::Plain)?;
    let encode = start.elapsed();
    let start = Instant::now();
    let same = tokenizer.decode(&ids)? == text;
    let decode = start.elapsed();
    let rate = |seconds: f64| text.len() as f64 / 1e6 / seconds;
    let mut lines = String::new();
    lines += &format!(
        "build  {:.1} ms, {} tokens\n",
        build.as_secs_f64() * 1e3,
        tokenizer.vocab_size()
    );
    lines += &format!(
        "encode {:.1} MB/s, {} ids\n",
        rate(encode.as_secs_f64()),
        ids.len()
    );
    lines += &format!(
        "decode {:.1} MB/s, same text: {same}\n",
        rate(decode.as_secs_f64())
    );
    std::io::Write::write_all(&mut std::io::stdout(), lines.as_bytes())?;
    Ok(())
}
