//! Vocabularies: copied from a file, or a small one of bytes, a few merges and ChatML's tokens.

use gguf::{GgufFile, MetadataValue};

use crate::error::{Error, Result};

/// Token types as GGUF numbers them.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const UNUSED: i32 = 5;

/// Pairs that the small vocabulary merges, in order; `Ġ` is the symbol of the space byte.
const MERGES: [(&str, &str); 16] = [
    ("Ġ", "t"),
    ("h", "e"),
    ("i", "n"),
    ("r", "e"),
    ("Ġ", "a"),
    ("o", "n"),
    ("e", "r"),
    ("Ġt", "he"),
    ("Ġ", "s"),
    ("o", "u"),
    ("l", "l"),
    ("he", "ll"),
    ("hell", "o"),
    ("a", "n"),
    ("in", "g"),
    ("Ġa", "n"),
];

const CONTROLS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

const CHAT_TEMPLATE: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// A metadata key and its value.
pub(crate) type Key = (String, MetadataValue);

/// The `tokenizer.*` keys of a file, its tokens padded to `rows`.
pub(crate) fn copied(file: &GgufFile, rows: usize) -> Result<Vec<Key>> {
    let keys = file
        .metadata()
        .iter()
        .filter(|(key, _)| key.starts_with("tokenizer."));
    keys.map(|(key, value)| {
        let mut value = MetadataValue::from(value);
        match (key, &mut value) {
            ("tokenizer.ggml.tokens", MetadataValue::StrArray(tokens)) => pad_tokens(tokens, rows)?,
            ("tokenizer.ggml.token_type", MetadataValue::I32Array(types)) => {
                types.resize(rows, UNUSED);
            }
            ("tokenizer.ggml.scores", MetadataValue::F32Array(scores)) => {
                scores.resize(rows, -10_000.0);
            }
            _ => {}
        }
        Ok((key.to_owned(), value))
    })
    .collect()
}

/// The small vocabulary, padded to `rows`.
pub(crate) fn small(rows: usize) -> Result<Vec<Key>> {
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| symbol(byte).to_string()).collect();
    tokens.extend(MERGES.iter().map(|(left, right)| format!("{left}{right}")));
    let mut types = vec![NORMAL; tokens.len()];
    let first_control = tokens.len() as u32;
    tokens.extend(CONTROLS.map(str::to_owned));
    types.resize(tokens.len(), CONTROL);
    pad_tokens(&mut tokens, rows)?;
    types.resize(rows, UNUSED);
    let merges: Vec<String> = MERGES
        .iter()
        .map(|(left, right)| format!("{left} {right}"))
        .collect();
    let [end_of_text, _, im_end] = [0, 1, 2].map(|i| first_control + i);
    Ok([
        ("model", MetadataValue::from("gpt2")),
        ("pre", MetadataValue::from("qwen2")),
        ("tokens", MetadataValue::from(tokens)),
        ("token_type", MetadataValue::from(types)),
        ("merges", MetadataValue::from(merges)),
        ("bos_token_id", MetadataValue::from(end_of_text)),
        ("eos_token_id", MetadataValue::from(im_end)),
        ("padding_token_id", MetadataValue::from(end_of_text)),
        ("add_bos_token", MetadataValue::from(false)),
    ]
    .map(|(name, value)| (format!("tokenizer.ggml.{name}"), value))
    .into_iter()
    .chain([(
        "tokenizer.chat_template".to_owned(),
        MetadataValue::from(CHAT_TEMPLATE),
    )])
    .collect())
}

fn pad_tokens(tokens: &mut Vec<String>, rows: usize) -> Result<()> {
    if tokens.len() > rows {
        return Err(Error::VocabularyTooLarge {
            tokens: tokens.len(),
            rows,
        });
    }
    tokens.extend((tokens.len()..rows).map(|id| format!("[PAD{id}]")));
    Ok(())
}

/// The printable character that byte-level BPE writes for a byte: itself where it has a visible
/// glyph in Latin-1, else the next free one from U+0100 on.
fn symbol(byte: u8) -> char {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if visible(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|&other| !visible(other)).count() as u32;
    char::from_u32(0x100 + rank).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_symbols_are_the_usual_ones() {
        let expected = [
            (b'a', 'a'),
            (b' ', 'Ġ'),
            (b'\n', 'Ċ'),
            (0, 'Ā'),
            (0x7f, 'ġ'),
            (0xad, 'Ń'),
        ];
        for (byte, character) in expected {
            assert_eq!(symbol(byte), character, "{byte:#x}");
        }
        let all: std::collections::HashSet<char> = (0..=u8::MAX).map(symbol).collect();
        assert_eq!(all.len(), 256);
    }

    #[test]
    fn a_vocabulary_that_does_not_fit_is_refused() {
        assert!(matches!(
            small(200),
            Err(Error::VocabularyTooLarge {
                tokens: 275,
                rows: 200
            })
        ));
    }
}
