//! Any ids decoded one by one and all at once.

#![no_main]

use tokenizer_bpe::{SpecialText, Tokenizer};
use worker_orcd_fuzz::vocabularies::TOKENIZERS;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [choice, split, ids @ ..] = bytes else {
        return;
    };
    let tokenizer = &TOKENIZERS[usize::from(choice >> 1) % TOKENIZERS.len()];
    let special = if choice & 1 == 0 {
        SpecialText::Show
    } else {
        SpecialText::Hide
    };
    // A byte of 255 and the next make the ids that one byte does not reach, some out of range.
    let mut rest = ids.iter();
    let mut ids = Vec::with_capacity(ids.len());
    while let Some(&byte) = rest.next() {
        let more = (byte == 255).then(|| rest.next().copied().unwrap_or(0));
        ids.push(u32::from(byte) + u32::from(more.unwrap_or(0)));
    }
    check(tokenizer, &ids, special, usize::from(*split));
});

fn check(tokenizer: &Tokenizer, ids: &[u32], special: SpecialText, split: usize) {
    let whole = tokenizer.decode_with(ids, special);
    let mut stream = tokenizer.stream_with(special);
    let mut text = String::new();
    for &id in ids {
        match stream.push(id) {
            Ok(piece) => text += &piece,
            Err(_) => {
                assert!(id as usize >= tokenizer.vocab_size());
                assert!(whole.is_err());
                return;
            }
        }
    }
    text += &stream.finish();
    assert_eq!(whole.as_deref().ok(), Some(&*text));
    // Going on after a prompt gives the rest of it, but for characters cut in two.
    let (prompt, rest) = ids.split_at(split.min(ids.len()));
    let stream = tokenizer.stream_with(special).after(prompt);
    let Ok(mut stream) = stream else {
        panic!("{prompt:?} was decoded before");
    };
    let mut tail = String::new();
    for &id in rest {
        tail += &stream.push(id).unwrap_or_default();
    }
    tail += &stream.finish();
    let before = tokenizer.decode_with(prompt, special).unwrap_or_default();
    if !text.contains('\u{fffd}') && !before.contains('\u{fffd}') {
        assert_eq!(before + &tail, text);
    }
}
