//! A model file that changes under a running process: no token is given out that the file as it
//! was would not have given, and the process ends with its own exit code and a line that says why.

#![cfg(unix)]

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use integration_tests::models::{Models, arg};
use integration_tests::wait;

use crate::with_model;

/// What a chat of two turns did when the model was changed between them.
struct Talk {
    code: i32,
    /// The first answer.
    answer: String,
    stdout: String,
    /// What was said on standard error after the change.
    stderr: String,
}

fn talk(models: &Models, change: impl FnOnce(&Path)) -> Talk {
    let model = models.tiny();
    let saved = models.path("turns.json");
    let args = ["--device", "cpu", "--temperature", "0", "-n", "6"];
    let mut child = with_model("chat", &model, &args).spawn_open();
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    write!(stdin, "hello\n/save {}\n", arg(&saved)).unwrap();
    // The answer is complete once it has been saved.
    let mut line = String::new();
    while !line.starts_with("saved ") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended");
    }
    change(&model);
    stdin.write_all(b"the sea\n").unwrap();
    drop(stdin);
    let (mut rest, mut said) = (String::new(), String::new());
    stderr.read_to_string(&mut rest).unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let turns = std::fs::read_to_string(saved).unwrap();
    let turns: serde_json::Value = serde_json::from_str(&turns).unwrap();
    Talk {
        code: wait(&mut child),
        answer: turns[1]["content"].as_str().unwrap().to_owned(),
        stdout: said,
        stderr: rest,
    }
}

/// The process ended for the change, and gave out nothing after it.
fn check(talk: &Talk, reason: &str) {
    assert_eq!(talk.code, 74, "{}", talk.stderr);
    assert_eq!(
        talk.stdout.trim_end_matches('\n'),
        talk.answer.trim_end_matches('\n')
    );
    let errors = talk
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "));
    let errors: Vec<&str> = errors.collect();
    assert!(
        matches!(&errors[..], [error] if error.contains(reason)),
        "{}",
        talk.stderr
    );
    assert!(!talk.stderr.contains("panicked"), "{}", talk.stderr);
}

#[test]
fn a_file_left_alone_is_no_change() {
    let talk = talk(&Models::new(), |_| {});
    assert_eq!(talk.code, 0, "{}", talk.stderr);
    assert!(talk.stdout.len() > talk.answer.len() + 1);
}

#[test]
fn a_file_cut_short_ends_the_process() {
    for keep in [0, 100_000] {
        let cut = |model: &Path| {
            OpenOptions::new()
                .write(true)
                .open(model)
                .unwrap()
                .set_len(keep)
                .unwrap();
        };
        check(&talk(&Models::new(), cut), "cut short");
    }
}

#[test]
fn a_file_written_to_ends_the_process() {
    let overwrite = |model: &Path| {
        let mut file = OpenOptions::new().write(true).open(model).unwrap();
        // A weight somewhere in the second half: no shape, no size, no NaN gives it away.
        let middle = file.metadata().unwrap().len() / 2;
        file.seek(SeekFrom::Start(middle)).unwrap();
        file.write_all(&[1; 64]).unwrap();
    };
    check(&talk(&Models::new(), overwrite), "changed on disk");
    let append = |model: &Path| {
        OpenOptions::new()
            .append(true)
            .open(model)
            .unwrap()
            .write_all(b"more")
            .unwrap();
    };
    check(&talk(&Models::new(), append), "changed on disk");
}

#[test]
fn a_file_replaced_by_renaming_is_no_change() {
    let models = Models::new();
    let other = models.file("other.gguf", b"another file");
    let talk = talk(&models, |model| std::fs::rename(&other, model).unwrap());
    assert_eq!(talk.code, 0, "{}", talk.stderr);
    assert!(talk.stdout.len() > talk.answer.len() + 1);
}
