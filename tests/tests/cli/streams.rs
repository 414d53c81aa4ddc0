//! Readers that go away, and users who press Ctrl-C.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use integration_tests::models::{Models, arg, synth};
use integration_tests::{wait, worker};
use synth_model::{Arch, ModelSpec};

use crate::with_model;

/// A model that could go on for minutes.
fn endless(models: &Models) -> PathBuf {
    let spec = ModelSpec {
        context_length: 100_000,
        ..ModelSpec::tiny(Arch::Qwen2)
    };
    models.file("endless.gguf", &synth(&spec))
}

/// Generates with the endless model, until some text has come or is being made.
fn generating(models: &Models, format: &str) -> Child {
    let args = [
        "-v",
        "--raw",
        "--prompt",
        "a",
        "-n",
        "90000",
        "-c",
        "100000",
        "--ignore-eos",
    ];
    let args = [&args[..], &["--format", format]].concat();
    let mut child = with_model("generate", &endless(models), &args).spawn();
    if format == "text" {
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        return child;
    }
    let mut log = Vec::new();
    while !log.ends_with(b"prefill") {
        let mut byte = [0];
        child
            .stderr
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        log.extend(byte);
    }
    child
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// The exit code and all that is still to be read from stdout and stderr.
fn rest(mut child: Child) -> (i32, String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), String::new());
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout).unwrap();
    }
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    (
        wait(&mut child),
        String::from_utf8_lossy(&stdout).into_owned(),
        stderr,
    )
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let models = Models::new();
    let mut child = generating(&models, "text");
    let started = Instant::now();
    drop(child.stdout.take());
    let (code, _, stderr) = rest(child);
    assert_eq!(code, 0, "{stderr}");
    assert!(
        !stderr.contains("error") && !stderr.contains("panic"),
        "{stderr}"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    for args in [vec!["inspect"], vec!["devices"], vec!["generate", "--help"]] {
        let mut child = worker(&args).spawn();
        drop(child.stdout.take());
        let (code, _, stderr) = rest(child);
        assert_eq!(code, 0, "{args:?}: {stderr}");
        assert!(
            !stderr.contains("error") && !stderr.contains("panic"),
            "{args:?}: {stderr}"
        );
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_the_output_with_a_summary() {
    let models = Models::new();
    let child = generating(&models, "text");
    let started = Instant::now();
    interrupt(&child);
    let (code, stdout, stderr) = rest(child);
    assert_eq!(code, 130, "{stderr}");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    assert!(stdout.ends_with('\n'));
    let summary = stderr.lines().last().unwrap();
    assert!(
        summary.contains("endless.gguf") && summary.ends_with("cancelled"),
        "{stderr}"
    );
}

#[test]
#[cfg(unix)]
fn ctrl_c_leaves_a_whole_document() {
    let models = Models::new();
    let child = generating(&models, "json");
    interrupt(&child);
    let (code, stdout, stderr) = rest(child);
    assert_eq!(code, 130, "{stderr}");
    let document: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["finish_reason"], "cancelled");
    assert!(!document["tokens"].as_array().unwrap().is_empty());
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_an_answer_but_not_the_conversation() {
    let models = Models::new();
    let saved = models.path("saved.json");
    let lines = format!("hello\n/save {}\n/exit\n", arg(&saved));
    let args = ["-n", "90000", "-c", "100000", "--ignore-eos"];
    let mut child = with_model("chat", &endless(&models), &args)
        .stdin(lines)
        .spawn();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    interrupt(&child);
    let (code, stdout, stderr) = rest(child);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.ends_with('\n'));
    let turns: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(saved).unwrap()).unwrap();
    let answer = turns[1]["content"].as_str().unwrap();
    assert!(!answer.is_empty(), "what was said stays said: {turns}");
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_other_commands_at_once() {
    let models = Models::new();
    let model = endless(&models);
    let child = worker(["bench", arg(&model), "-n", "90000"]).spawn();
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    interrupt(&child);
    let (code, ..) = rest(child);
    assert_ne!(code, 0);
    assert!(started.elapsed() < Duration::from_secs(2));
}
