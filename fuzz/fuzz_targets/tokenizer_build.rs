//! Vocabularies, merges, scores, types and special ids that do not fit together.

#![no_main]

use arbitrary::{Result, Unstructured};
use gguf::GgufFile;
use tokenizer_bpe::{ChatTemplate, Special, SpecialText, Tokenizer};
use worker_orcd_fuzz::vocabularies::{PRE, Vocabulary};

const TEXTS: [&str; 16] = [
    "",
    "a",
    "aa",
    "aaa",
    "▁",
    "▁a",
    "Ġa",
    "é",
    "Ã©",
    "<0x41>",
    "<0x-1>",
    "<0xZZ>",
    "<s>",
    "<|im_end|>",
    "a b",
    "\u{0}",
];
const IDS: [&str; 5] = [
    "bos_token_id",
    "eos_token_id",
    "eot_token_id",
    "eom_token_id",
    "padding_token_id",
];
const FLAGS: [&str; 3] = ["add_bos_token", "add_eos_token", "add_space_prefix"];
const SAMPLE: &str = "aaa é<|im_end|> aé\u{0}<s>  a";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Bytes that do not suffice for all choices are no input.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let vocabulary = vocabulary(u)?;
    let mut file = vocabulary.to_file();
    if u.ratio(1_u8, 4)? {
        file.mutate(u, 2)?;
    }
    let Ok(file) = GgufFile::from_bytes(file.bytes) else {
        return Ok(());
    };
    drop(ChatTemplate::from_gguf(&file));
    if let Ok(tokenizer) = Tokenizer::from_gguf(&file) {
        check(&tokenizer);
    }
    Ok(())
}

fn check(tokenizer: &Tokenizer) {
    for special in [Special::Plain, Special::Parse] {
        let Ok(ids) = tokenizer.encode(SAMPLE, special) else {
            continue;
        };
        assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_size()));
        let text = tokenizer.decode_with(&ids, SpecialText::Hide);
        assert!(text.is_ok(), "{ids:?}: {text:?}");
    }
    let specials = [
        tokenizer.bos(),
        tokenizer.eos(),
        tokenizer.eot(),
        tokenizer.pad(),
    ];
    assert!(
        specials
            .into_iter()
            .flatten()
            .all(|id| (id as usize) < tokenizer.vocab_size())
    );
    let last = tokenizer.vocab_size() as u32;
    assert!(tokenizer.token_bytes(last).is_err() && tokenizer.token_bytes(last - 1).is_ok());
}

fn vocabulary(u: &mut Unstructured<'_>) -> Result<Vocabulary> {
    let mut made = match u.int_in_range(0..=7_u8)? {
        0 => Vocabulary::sentence_piece(if u.arbitrary()? { "phi3" } else { "llama" }),
        1 => Vocabulary::byte_level(u.choose(&PRE)?),
        _ => Vocabulary {
            model: *u.choose(&["gpt2", "llama", "bert", ""])?,
            pre: *u.choose(&["qwen2", "llama-bpe", "tekken", "none"])?,
            architecture: "llama",
            tokens: Vec::new(),
            merges: Vec::new(),
            flags: Vec::new(),
            ids: Vec::new(),
        },
    };
    for _ in 0..u.int_in_range(0..=12_u8)? {
        let token = (text(u)?, u.int_in_range(-1..=7)?, score(u)?);
        match made.tokens.len() {
            n if n > 0 && u.arbitrary()? => {
                let at = u.choose_index(n)?;
                made.tokens[at] = token;
            }
            _ => made.tokens.push(token),
        }
    }
    for _ in 0..u.int_in_range(0..=6_u8)? {
        made.merges.push(match u.int_in_range(0..=7_u8)? {
            0 => text(u)?,
            _ => format!("{} {}", text(u)?, text(u)?),
        });
    }
    for name in IDS {
        if u.ratio(1_u8, 3)? {
            made.ids.retain(|(other, _)| *other != name);
            made.ids
                .push((name, u.int_in_range(0..=made.tokens.len() as u32 + 1)?));
        }
    }
    for name in FLAGS {
        if u.ratio(1_u8, 3)? {
            made.flags.push((name, u.arbitrary()?));
        }
    }
    Ok(made)
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=31_u8)? {
        0 => "a".repeat(u.int_in_range(250..=260)?),
        1..=8 => u.arbitrary()?,
        n => TEXTS[usize::from(n) % TEXTS.len()].to_owned(),
    })
}

fn score(u: &mut Unstructured<'_>) -> Result<f32> {
    Ok(match u.arbitrary::<u8>()? {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => -0.0,
        n => f32::from(n % 4),
    })
}
