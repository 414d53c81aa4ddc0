//! `pull` and `--model hf:`: models from a Hub, which here is on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration_tests::hub::{Answer, COMMIT, Hub, REPO, sha256};
use integration_tests::models::{self, arg};
use integration_tests::{Run, binary, wait, worker};
use tempfile::TempDir;

/// A cache of its own for each test.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn repo(&self) -> PathBuf {
        self.0.path().join("hub/models--owner--name")
    }

    /// The names of blobs, whole and not.
    fn blobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.repo().join("blobs"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().into_string().expect("UTF-8"))
            .collect()
    }

    fn snapshot(&self, name: &str) -> PathBuf {
        self.repo().join("snapshots").join(COMMIT).join(name)
    }

    fn run(&self, hub: &Hub, args: &[&str]) -> Run {
        let home = arg(self.0.path());
        worker(args)
            .env("HF_HOME", home)
            .env("HF_ENDPOINT", &hub.endpoint())
    }

    fn pull(&self, hub: &Hub, what: &str) -> Run {
        self.run(hub, &["pull", what])
    }
}

/// Bytes that compress badly and repeat nowhere.
fn noise(n: usize) -> Vec<u8> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some((*state >> 24) as u8)
    };
    std::iter::from_fn({
        let mut state = 1;
        move || step(&mut state)
    })
    .take(n)
    .collect()
}

#[test]
fn a_model_lands_in_the_shared_cache_and_runs_without_the_network() {
    let (home, model) = (Home::new(), models::tiny());
    let files: [(&str, &[u8]); 3] = [
        ("sub dir/m-q8_0.gguf", &model),
        ("m-f16.gguf", b"another"),
        ("mmproj-q8_0.gguf", b"no model"),
    ];
    let hub = Hub::new(&files, &[Answer::Redirect, Answer::Good]);
    let ran = home
        .pull(&hub, "owner/name:Q8_0")
        .env("HF_TOKEN", "secret")
        .output();
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = home.snapshot("sub dir/m-q8_0.gguf");
    assert_eq!(ran.stdout.trim_end(), arg(&path));
    assert_eq!(fs::read(&path).expect("the file"), model);
    assert_eq!(home.blobs(), [sha256(&model)]);
    #[cfg(unix)]
    {
        let target = fs::read_link(&path).expect("a link");
        assert_eq!(target, Path::new("../../../blobs").join(sha256(&model)));
    }
    let commit = fs::read_to_string(home.repo().join("refs/main")).expect("a ref");
    assert_eq!(commit, COMMIT);
    let requests = hub.file_requests();
    assert_eq!(
        requests[0].path,
        format!("/{REPO}/resolve/{COMMIT}/sub%20dir/m-q8_0.gguf")
    );
    assert_eq!(requests[0].authorization.as_deref(), Some("Bearer secret"));
    // The token is the Hub's alone.
    assert_eq!(requests[1].authorization, None);
    assert!(requests[1].path.starts_with("/cdn/"), "{requests:?}");

    // Once more, nothing is fetched; offline, nothing is even asked.
    assert_eq!(home.pull(&hub, "owner/name:q8_0").output().code, 0);
    assert_eq!(hub.file_requests().len(), 2);
    let n_requests = hub.n_requests();
    for offline in ["", "1"] {
        let args = [
            "generate",
            "--raw",
            "-p",
            "hi",
            "-n",
            "2",
            "-m",
            "hf:owner/name:Q8_0",
        ];
        let ran = home
            .run(&hub, &args)
            .env("HF_HUB_OFFLINE", offline)
            .output();
        assert_eq!(ran.code, 0, "{ran:?}");
        let args = [
            "inspect",
            "hf:owner/name:sub dir/m-q8_0.gguf",
            "--format",
            "json",
        ];
        let found = home.run(&hub, &args).env("HF_HUB_OFFLINE", offline).json();
        assert_eq!(found["model"], "m-q8_0.gguf");
    }
    assert_eq!(hub.n_requests(), n_requests);
}

#[test]
fn what_is_not_there_is_pulled_as_a_model() {
    let (home, model) = (Home::new(), models::tiny());
    let hub = Hub::new(&[("m-00001-of-00001.gguf", &model)], &[Answer::Good]);
    let ran = home.run(&hub, &["inspect", "hf:owner/name"]).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("m-00001-of-00001.gguf"), "{ran:?}");
    let ran = home.run(&hub, &["inspect", "hf:not-a-repo"]).output();
    assert_eq!(
        (ran.code, ran.error().contains("OWNER/NAME")),
        (2, true),
        "{ran:?}"
    );
}

#[test]
fn a_broken_connection_is_continued() {
    let bytes = noise(300_000);
    let rows: [(&[Answer], &[Option<&str>]); 4] = [
        (
            &[Answer::Break(100_000), Answer::Break(50_000), Answer::Good],
            &[None, Some("bytes=100000-"), Some("bytes=150000-")],
        ),
        (
            &[Answer::Break(100_000), Answer::NoRanges],
            &[None, Some("bytes=100000-")],
        ),
        (&[Answer::Status(503), Answer::Good], &[None, None]),
        (
            &[Answer::Break(9), Answer::Status(416), Answer::Good],
            &[None, Some("bytes=9-"), None],
        ),
    ];
    for (answers, ranges) in rows {
        let home = Home::new();
        let hub = Hub::new(&[("m.gguf", &bytes)], answers);
        let ran = home.pull(&hub, REPO).output();
        assert_eq!(ran.code, 0, "{answers:?}: {ran:?}");
        assert!(
            ran.stderr.contains("warning: the connection broke"),
            "{ran:?}"
        );
        assert!(fs::read(home.snapshot("m.gguf")).expect("the file") == bytes);
        let found = hub.file_requests();
        let found: Vec<Option<&str>> = found.iter().map(|it| it.range.as_deref()).collect();
        assert_eq!(found, ranges, "{answers:?}");
    }
}

#[test]
fn what_an_earlier_run_left_is_continued() {
    let (home, bytes) = (Home::new(), noise(200_000));
    let partial = home
        .repo()
        .join("blobs")
        .join(format!("{}.incomplete", sha256(&bytes)));
    fs::create_dir_all(partial.parent().expect("a folder")).expect("folders can be made");
    fs::write(&partial, &bytes[..120_000]).expect("files can be written");
    let hub = Hub::new(&[("m.gguf", &bytes)], &[Answer::Good]);
    let ran = home.pull(&hub, REPO).output();
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        hub.file_requests()[0].range.as_deref(),
        Some("bytes=120000-")
    );
    assert_eq!(home.blobs(), [sha256(&bytes)]);

    // A connection that brings nothing is given up, and what there is stays.
    let (home, hub) = (
        Home::new(),
        Hub::new(&[("m.gguf", &bytes)], &[Answer::Break(0)]),
    );
    let ran = home.pull(&hub, REPO).output();
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains("5 times in a row"), "{ran:?}");
    assert_eq!(home.blobs(), [format!("{}.incomplete", sha256(&bytes))]);
}

#[test]
fn a_wrong_checksum_is_thrown_away() {
    let (home, bytes) = (Home::new(), noise(10_000));
    let hub = Hub::new(&[("m.gguf", &bytes)], &[Answer::Wrong, Answer::Good]);
    let ran = home.pull(&hub, REPO).output();
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains(&sha256(&bytes)), "{ran:?}");
    assert_eq!(home.blobs(), [""; 0]);
    assert!(!home.snapshot("m.gguf").exists());
    assert_eq!(home.pull(&hub, REPO).output().code, 0);
}

#[test]
fn refusals_say_what_to_do() {
    let bytes = noise(100);
    let rows = [
        (401, "set HF_TOKEN"),
        (403, "accept the conditions"),
        (404, "check the name"),
        (429, "pause"),
        (500, "try again later"),
        (418, "418"),
    ];
    for (status, expected) in rows {
        let home = Home::new();
        let hub = Hub::with_listing(&[("m.gguf", &bytes)], &[Answer::Good], status);
        let ran = home.pull(&hub, REPO).output();
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.error().contains(expected), "{ran:?}");
        assert_eq!(home.blobs(), [""; 0]);

        if status < 500 {
            let hub = Hub::new(&[("m.gguf", &bytes)], &[Answer::Status(status)]);
            let ran = home.pull(&hub, REPO).output();
            assert_eq!(
                (ran.code, ran.error().contains(expected)),
                (1, true),
                "{ran:?}"
            );
        }
    }
    let hub = Hub::with_listing(&[("m.gguf", &bytes)], &[Answer::Good], 401);
    let ran = Home::new().pull(&hub, REPO).env("HF_TOKEN", "old").output();
    assert!(ran.error().contains("does not accept the token"), "{ran:?}");
    assert!(!ran.stderr.contains("old;"), "{ran:?}");

    let hub = Hub::new(
        &[("../m.gguf", &bytes), ("/etc/m.gguf", &bytes)],
        &[Answer::Good],
    );
    let ran = Home::new().pull(&hub, REPO).output();
    assert!(ran.error().contains("no GGUF file"), "{ran:?}");

    let ran = worker(["pull", "owner/name/more"]).output();
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("OWNER/NAME"), "{ran:?}");
}

#[test]
fn without_the_network() {
    let home = Home::new();
    let hub = Hub::new(&[], &[Answer::Good]);
    let ran = home.pull(&hub, REPO).env("HF_HUB_OFFLINE", "1").output();
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains("HF_HUB_OFFLINE"), "{ran:?}");
    assert_eq!(hub.n_requests(), 0);

    // Nobody listens on the port of discarded packets.
    let ran = worker(["pull", REPO])
        .env("HF_HOME", arg(home.0.path()))
        .env("HF_ENDPOINT", "http://127.0.0.1:9")
        .output();
    assert_eq!(ran.code, 1);
    assert!(
        ran.error().contains("no answer from http://127.0.0.1:9"),
        "{ran:?}"
    );
}

#[test]
fn two_at_once_fetch_once() {
    let (home, bytes) = (Home::new(), noise(100_000));
    let hub = Hub::new(&[("m.gguf", &bytes)], &[Answer::Slow]);
    let mut both = [home.pull(&hub, REPO).spawn(), home.pull(&hub, REPO).spawn()];
    assert_eq!(both.each_mut().map(wait), [0, 0]);
    assert_eq!(hub.file_requests().len(), 1);
    assert!(fs::read(home.snapshot("m.gguf")).expect("the file") == bytes);
}

/// A disk that holds no more is played by a limit on the size of files.
#[cfg(unix)]
#[test]
fn a_full_disk_keeps_what_it_has() {
    let (home, bytes) = (Home::new(), noise(900_000));
    let hub = Hub::new(&[("m.gguf", &bytes)], &[Answer::Good]);
    let script = "trap '' XFSZ; ulimit -f 300; exec \"$0\" pull owner/name";
    let output = Command::new("sh")
        .args(["-c", script, arg(binary())])
        .env("HF_HOME", home.0.path())
        .env("HF_ENDPOINT", hub.endpoint())
        .env_remove("HF_HUB_OFFLINE")
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("make room"), "{stderr}");
    assert_eq!(home.blobs(), [format!("{}.incomplete", sha256(&bytes))]);
    assert_eq!(home.pull(&hub, REPO).output().code, 0);
    assert!(hub.file_requests()[1].range.is_some());
}
