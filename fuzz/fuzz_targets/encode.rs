//! Any text through every kind of tokenizer and back.

#![no_main]

use std::borrow::Cow;

use tokenizer_bpe::{Special, Tokenizer, TokenizerKind};
use worker_orcd_fuzz::vocabularies::TOKENIZERS;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else {
        return;
    };
    let tokenizer = &TOKENIZERS[usize::from(choice >> 1) % TOKENIZERS.len()];
    let text = String::from_utf8_lossy(text);
    if choice & 1 == 0 {
        check_round_trip(tokenizer, &text, Special::Plain);
    } else {
        check_round_trip(tokenizer, &text, Special::Parse);
    }
});

fn check_round_trip(tokenizer: &Tokenizer, text: &str, special: Special) {
    let ids = tokenizer.encode_fragment(text, special);
    let Ok(ids) = ids else {
        panic!("{text:?} is not encoded: {ids:?}");
    };
    if special == Special::Plain {
        assert!(
            !ids.iter().any(|&id| tokenizer.is_control(id)),
            "{text:?} became {ids:?}"
        );
    }
    let decoded = tokenizer.decode(&ids);
    let expected = match tokenizer.kind() {
        // A space and its picture are one symbol there.
        TokenizerKind::SentencePieceBpe => Cow::Owned(text.replace('▁', " ")),
        _ => Cow::Borrowed(text),
    };
    // Special tokens may swallow the white space after them, user-defined ones in any text.
    let is_exact = special == Special::Plain && !text.contains("<t>");
    let same = |found: &str| match is_exact {
        true => found == expected,
        false => visible(found).eq(visible(&expected)),
    };
    assert!(
        decoded.as_deref().is_ok_and(same),
        "{text:?} became {ids:?}, then {decoded:?}"
    );
    let whole = tokenizer.encode(text, special);
    assert!(
        whole.is_ok_and(|whole| whole.len() >= ids.len()),
        "{text:?}"
    );
}

fn visible(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().filter(|c| !c.is_whitespace())
}
