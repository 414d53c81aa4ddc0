//! What a tokenizer costs: time to open a file, to build its tokenizer, and to encode and decode
//! texts, on one thread. `measure MODEL.gguf [TEXTS]`, the texts NUL-separated in one file.

use std::io::{Write, stdout};
use std::time::Instant;

use tokenizer_bpe::{Special, Tokenizer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, texts) = match arguments.as_slice() {
        [model] => (model, String::new()),
        [model, texts] => (model, std::fs::read_to_string(texts)?),
        _ => return Err("usage: measure MODEL.gguf [TEXTS]".into()),
    };
    let start = Instant::now();
    let file = gguf::GgufFile::open(model)?;
    let open = start.elapsed().as_secs_f64();
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let built = start.elapsed().as_secs_f64();
    let mut lines = format!(
        "open   {:.2} ms, {} tensors\ntokenizer included {:.2} ms, {} tokens\n",
        open * 1e3,
        file.n_tensors(),
        built * 1e3,
        tokenizer.vocab_size()
    );
    let texts: Vec<&str> = texts.split('\0').filter(|text| !text.is_empty()).collect();
    if !texts.is_empty() {
        lines += &speed(&tokenizer, &texts)?;
    }
    stdout().write_all(lines.as_bytes())?;
    Ok(())
}

/// Encodes each text and decodes it again.
fn speed(tokenizer: &Tokenizer, texts: &[&str]) -> Result<String, tokenizer_bpe::Error> {
    let megabytes = texts.iter().map(|text| text.len()).sum::<usize>() as f64 / 1e6;
    let start = Instant::now();
    let ids: Vec<Vec<u32>> = texts
        .iter()
        .map(|text| tokenizer.encode_fragment(text, Special::Plain))
        .collect::<Result<_, _>>()?;
    let encode = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let decoded: Vec<String> = ids
        .iter()
        .map(|ids| tokenizer.decode(ids))
        .collect::<Result<_, _>>()?;
    let decode = start.elapsed().as_secs_f64();
    Ok(format!(
        "encode {:.2} MB/s, {} texts, {} ids\ndecode {:.2} MB/s, same texts: {}\n",
        megabytes / encode,
        texts.len(),
        ids.iter().map(Vec::len).sum::<usize>(),
        megabytes / decode,
        decoded == texts
    ))
}
