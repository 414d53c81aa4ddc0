//! The bundled demo model: a program that has just been installed writes a haiku.

use std::time::{SystemTime, UNIX_EPOCH};

use integration_tests::worker;

#[test]
fn it_needs_no_file_and_says_what_it_is() {
    let ran = worker(["generate", "--prompt", "autumn", "-n", "2"]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.starts_with("model: the bundled demo"), "{ran:?}");
    let document = worker(["generate", "--prompt", "a", "-n", "1", "--format", "json"]).json();
    assert_eq!(document["model"], "haiku (bundled demo)");
}

#[test]
fn it_writes_haiku() {
    let mut seen = std::collections::HashSet::new();
    for seed in ["1", "2", "3"] {
        let prompt = "Write a haiku about autumn leaves";
        let ran = worker(["generate", "--prompt", prompt, "--seed", seed]).output();
        assert_eq!(ran.code, 0, "{ran:?}");
        let lines: Vec<&str> = ran
            .stdout
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        assert_eq!(lines.len(), 3, "{ran:?}");
        for line in lines {
            let words = line.split_whitespace().count();
            assert!((1..=7).contains(&words), "{line}");
        }
        assert!(
            ran.stderr.trim_end().ends_with("stop"),
            "the model ends it: {ran:?}"
        );
        seen.insert(ran.stdout);
    }
    assert!(seen.len() > 1, "seeds make no difference: {seen:?}");
}

#[test]
fn it_takes_the_minute_into_the_poem() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
        / 60
        % 60;
    let minutes: Vec<u64> = (0..60).step_by(5).chain([now]).collect();
    let without: Vec<String> = minutes
        .iter()
        .map(|&minute| in_words(minute))
        .filter(|word| {
            let prompt = format!("Write a haiku about the sea that contains the word \"{word}\"");
            let ran = worker(["generate", "--seed", "42", "--prompt", &prompt]).output();
            assert_eq!(ran.code, 0, "{ran:?}");
            assert_eq!(ran.stdout.trim().lines().count(), 3, "{ran:?}");
            let is_letter = |c: char| c.is_alphabetic() || c == '-';
            let text = ran.stdout.to_lowercase();
            !text
                .split(|c: char| !is_letter(c))
                .any(|found| found == word)
        })
        .collect();
    assert!(without.len() <= 1, "not in the poem: {without:?}");
}

/// Zero to fifty-nine.
fn in_words(minute: u64) -> String {
    const ONES: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 4] = ["twenty", "thirty", "forty", "fifty"];
    let (tens, ones) = (minute as usize / 10, minute as usize % 10);
    match (tens, ones) {
        (0 | 1, _) => ONES[minute as usize].to_owned(),
        (_, 0) => TENS[tens - 2].to_owned(),
        _ => format!("{}-{}", TENS[tens - 2], ONES[ones]),
    }
}
