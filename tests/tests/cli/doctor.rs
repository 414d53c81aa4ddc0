//! `doctor`: on a machine with or without a GPU it ends with a verdict.

use integration_tests::worker;

#[test]
fn the_processor_is_checked_and_right() {
    let ran = worker(["doctor", "--device", "cpu", "--all"]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines[0].starts_with("system  "), "{ran:?}");
    assert!(lines[1].contains("threads"), "{ran:?}");
    assert_eq!(lines.last(), Some(&"verdict   models can run on: cpu"));
    for what in [
        "q4_k prefill",
        "f16 decode",
        "bf16 greedy choice",
        "attention ",
    ] {
        let line = lines.iter().find(|line| line.to_lowercase().contains(what));
        let line = line.unwrap_or_else(|| panic!("no {what}: {ran:?}"));
        assert!(line.contains("right"), "{line}");
    }
}

#[test]
fn without_a_gpu_it_says_why_and_only_a_gpu_that_was_asked_for_is_an_error() {
    let hidden = |args: &[&str]| worker(args).env("CUDA_VISIBLE_DEVICES", "").output();
    let ran = hidden(&["doctor"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("gpu       none: "), "{ran:?}");
    let ran = hidden(&["doctor", "--device", "cuda"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.error().contains("cuda:0"), "{ran:?}");
    assert!(ran.stdout.contains("--device cpu"), "{ran:?}");
}

#[test]
fn the_document_has_every_comparison() {
    let document = worker(["doctor", "--device", "cpu", "--format", "json"]).json();
    assert!(document["machine"]["threads"].as_u64().unwrap() > 0);
    assert_eq!(document["advice"].as_array().unwrap().len(), 0);
    let device = &document["devices"][0];
    assert_eq!(device["name"], "cpu");
    let checks = device["checks"].as_array().unwrap();
    assert!(checks.len() > 3 * 13, "{device}");
    for check in checks {
        assert_eq!(check["ok"], true, "{check}");
        assert!(check["error"].as_f64().unwrap() <= check["bar"].as_f64().unwrap());
    }
}
