//! Time to encode on real vocabularies; a test binary of its own, so that nothing runs beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
#![allow(clippy::print_stdout, reason = "the times are what it finds")]

#[path = "common/vocabulary.rs"]
mod common;

use std::time::{Duration, Instant};

use tokenizer_bpe::{Special, Tokenizer};

/// The better of two runs, so that a busy machine does not fail the test.
fn time(tokenizer: &Tokenizer, text: &str) -> Duration {
    let run = |_| {
        let start = Instant::now();
        let ids = tokenizer.encode_fragment(text, Special::Parse).unwrap();
        assert!(!ids.is_empty());
        start.elapsed()
    };
    (0..2).map(run).min().unwrap()
}

/// One after the other: two at a time would measure each other.
#[test]
fn time_is_bounded() {
    let tokenizers = common::real_tokenizers();
    time_grows_with_length_alone(&tokenizers);
    random_words_of_any_length_take_linear_time(&tokenizers);
}

fn time_grows_with_length_alone(tokenizers: &[(String, Tokenizer)]) {
    let mib = 1 << 20;
    let seeds = [
        "a", "A", ".", " ", "\n", "🦙", "中", "e\u{301}", "ʰA", "<", "ab1 ", "\u{301}", "'s",
    ];
    for (name, tokenizer) in tokenizers {
        for seed in seeds {
            let text = |bytes: usize| seed.repeat(bytes / seed.len());
            let (half, whole) = (text(mib / 2), text(mib));
            let measure = |_| (time(tokenizer, &half), time(tokenizer, &whole));
            // Page faults and caches make short times grow a little faster than their texts.
            let fits = |(half, whole): &(Duration, Duration)| {
                let limit = half.mul_f64(2.3).max(Duration::from_millis(100));
                *whole <= limit.min(Duration::from_millis(250))
            };
            // A busy machine may spoil a measurement, but not five.
            let found = (0..5).map(measure).find(fits);
            println!("{name}: 1 MiB of {seed:?}: {found:?}");
            assert!(found.is_some(), "{name}: {seed:?}: {:?}", measure(0));
        }
    }
}

fn random_words_of_any_length_take_linear_time(tokenizers: &[(String, Tokenizer)]) {
    // One word without repetition: every merge has another priority.
    let mut state = 1_u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + ((state >> 33) % 26) as u8)
    };
    let text: String = (0..1 << 20).map(|_| letter()).collect();
    for (name, tokenizer) in tokenizers {
        let (half, whole) = (time(tokenizer, &text[..1 << 19]), time(tokenizer, &text));
        println!("{name}: 1 MiB of random letters: {whole:?}, half of it {half:?}");
        assert!(whole <= Duration::from_millis(500), "{name}: {whole:?}");
        let ids = tokenizer.encode_fragment(&text, Special::Plain).unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{name}");
    }
}
