//! Runs the real binary and makes model files for it.

#![allow(clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

pub mod hub;
pub mod models;

use std::env;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The binary, built as the tests are. Cargo does nothing if it is up to date.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = env::current_exe().expect("tests know where they are");
        // target/<profile>/deps/<test>
        let profile_dir = test.ancestors().nth(2).expect("cargo's layout");
        let target_dir = profile_dir.parent().expect("cargo's layout");
        let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "build",
                "--quiet",
                "--package",
                "worker",
                "--profile",
                profile,
            ])
            .arg("--target-dir")
            .arg(target_dir)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the binary does not build");
        profile_dir.join(format!("worker-orcd{}", env::consts::EXE_SUFFIX))
    })
}

/// A command line of the binary, free of what the caller's environment says.
pub fn worker<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        let is_ours = name
            .to_str()
            .is_some_and(|name| name.starts_with("WORKER_ORCD_"));
        let is_network = name.to_str().is_some_and(|name| {
            name.starts_with("HF_") || name.to_ascii_lowercase().ends_with("_proxy")
        });
        if is_ours || is_network || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(args);
    Run {
        command,
        stdin: Vec::new(),
    }
}

/// A run that has not begun.
pub struct Run {
    command: Command,
    stdin: Vec<u8>,
}

/// What a run did.
#[derive(Debug)]
pub struct Ran {
    /// The exit code.
    pub code: i32,
    /// Its results.
    pub stdout: String,
    /// Everything else that it said.
    pub stderr: String,
    /// How long it took.
    pub time: Duration,
}

impl Run {
    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it that on stdin; without, stdin is empty.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Where stdout goes, instead of into [`Ran::stdout`].
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// Starts it, with stdout and stderr piped.
    pub fn spawn(self) -> Child {
        let mut child = self.spawn_open();
        drop(child.stdin.take());
        child
    }

    /// Starts it, with stdout and stderr piped, and stdin open for more than it was given.
    pub fn spawn_open(mut self) -> Child {
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary starts");
        // A program that does not read its input may be gone already.
        _ = child.stdin.as_mut().expect("piped").write_all(&self.stdin);
        child
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Ran {
        let started = Instant::now();
        self.command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        let input = std::mem::take(&mut self.stdin);
        let writer = thread::spawn(move || _ = stdin.write_all(&input));
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        let code = wait(&mut child);
        writer.join().expect("writing does not panic");
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.map_or_else(String::new, |it| it.join().expect("reading does not panic"))
        };
        Ran {
            code,
            stdout: text(stdout),
            stderr: text(stderr),
            time: started.elapsed(),
        }
    }

    /// Runs it to its end and gives the JSON document that it printed.
    pub fn json(self) -> serde_json::Value {
        let ran = self.output();
        assert_eq!(ran.code, 0, "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    /// Runs it to its end, reading stdout.
    pub fn output(self) -> Ran {
        self.stdout(Stdio::piped()).run()
    }
}

impl Ran {
    /// The only line that begins with `error:`, without that.
    pub fn error(&self) -> &str {
        let mut errors = self
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("error: "));
        let error = errors
            .next()
            .unwrap_or_else(|| panic!("no error: {self:?}"));
        assert_eq!(errors.next(), None, "more than one error");
        error
    }
}

/// Waits for the end of a program; its exit code.
pub fn wait(child: &mut Child) -> i32 {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() > deadline {
            // It is about to be reported as hanging anyway.
            _ = child.kill();
            panic!("no end after {LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("pipes can be read");
        String::from_utf8(bytes).expect("output is UTF-8")
    })
}
