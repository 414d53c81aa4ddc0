//! A file from the Hub into the cache: continued where it broke off, and only taken if its hash is
//! the one that the Hub names.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::api::{Api, RemoteFile};
use super::cache::{Cache, cannot_write, make_parent};
use crate::error::{Failure, Result};
use crate::progress::{Progress, Unit};

/// Attempts in a row that bring nothing, after which it is given up.
const ATTEMPTS: u32 = 5;

/// Before the second attempt; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(200);

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 18;

/// Fetches a file, unless it is there, and gives its path.
pub(super) fn file(api: &Api, cache: &Cache, commit: &str, file: &RemoteFile) -> Result<PathBuf> {
    let blob = cache.blob_path(&file.sha256);
    // Whoever waited here for another program finds its file.
    let _lock = cache.lock(&file.sha256)?;
    if !fs::metadata(&blob).is_ok_and(|found| found.len() == file.n_bytes) {
        let partial = blob.with_extension("incomplete");
        fetch(api, commit, file, &partial)?;
        let moved = fs::rename(&partial, &blob);
        moved.map_err(|error| cannot_write(&blob, &error))?;
    }
    cache.link(commit, &file.name, &file.sha256)
}

/// A file that grows, with the hash of what it holds.
struct Partial {
    path: PathBuf,
    file: File,
    hash: Sha256,
    n_bytes: u64,
}

impl Partial {
    /// What an earlier attempt left, or an empty file.
    fn open(path: &Path) -> io::Result<Self> {
        make_parent(path)?;
        let mut options = OpenOptions::new();
        let mut file = options.create(true).read(true).append(true).open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        let mut n_bytes = 0;
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            n_bytes += n as u64;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            hash,
            n_bytes,
        })
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.n_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    fn clear(&mut self) -> io::Result<()> {
        self.hash = Sha256::new();
        self.n_bytes = 0;
        self.file.set_len(0)
    }
}

/// How an attempt ended.
enum Ended {
    /// With all bytes.
    Whole,
    /// Before that, for this reason.
    Broken(String),
}

/// Fetches all of a file to `path`, from where it ends.
fn fetch(api: &Api, commit: &str, file: &RemoteFile, path: &Path) -> Result<()> {
    let cannot = |error: io::Error| cannot_write(path, &error);
    let mut partial = Partial::open(path).map_err(cannot)?;
    if partial.n_bytes > file.n_bytes {
        partial.clear().map_err(cannot)?;
    }
    if partial.n_bytes > 0 {
        tracing::info!(bytes = partial.n_bytes, "going on where it broke off");
    }
    let name = file.name.rsplit('/').next().unwrap_or(&file.name);
    let mut bar = Progress::new(name, Unit::Bytes, file.n_bytes);
    let (mut failures, mut pause) = (0, PAUSE);
    while partial.n_bytes < file.n_bytes {
        let before = partial.n_bytes;
        let why = match attempt(api, commit, file, &mut partial, &mut bar)? {
            Ended::Whole => break,
            Ended::Broken(why) => why,
        };
        if partial.n_bytes > before {
            (failures, pause) = (0, PAUSE);
        }
        failures += 1;
        if failures == ATTEMPTS {
            bar.finish();
            return Err(Failure::failed(format_args!(
                "{}: the connection broke {ATTEMPTS} times in a row ({why}); run it again: {} of \
                 {} bytes are kept",
                file.name, partial.n_bytes, file.n_bytes
            )));
        }
        tracing::warn!(
            "the connection broke ({why}); going on at byte {}",
            partial.n_bytes
        );
        thread::sleep(pause);
        pause *= 2;
    }
    bar.finish();
    finish(partial, file)
}

/// Takes the file if it is the one that the Hub names.
fn finish(partial: Partial, file: &RemoteFile) -> Result<()> {
    let path = partial.path;
    let synced = partial.file.sync_all();
    synced.map_err(|error| cannot_write(&path, &error))?;
    let found = partial
        .hash
        .finalize()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            _ = write!(hex, "{byte:02x}");
            hex
        });
    if found == file.sha256 {
        return Ok(());
    }
    // To continue what is wrong would never end.
    _ = fs::remove_file(&path);
    Err(Failure::failed(format_args!(
        "{}: what was fetched has the checksum {found}, and the Hub names {}; it was thrown away: \
         run it again",
        file.name, file.sha256
    )))
}

/// One request for what is missing.
fn attempt(
    api: &Api,
    commit: &str,
    file: &RemoteFile,
    partial: &mut Partial,
    bar: &mut Progress,
) -> Result<Ended> {
    let mut response = match api.open(file, commit, partial.n_bytes) {
        Ok(response) => response,
        Err(error) => return Ok(Ended::Broken(error.to_string())),
    };
    let status = response.status();
    if status.is_server_error() {
        return Ok(Ended::Broken(status.to_string()));
    }
    let path = partial.path.clone();
    let cannot = |error: io::Error| cannot_write(&path, &error);
    if status.as_u16() == 416 {
        partial.clear().map_err(cannot)?;
        return Ok(Ended::Broken(status.to_string()));
    }
    api.check(status, &format!("{}/{}", file.repo, file.name))?;
    let range = response.headers().get("content-range");
    let range = range
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !range.starts_with(&format!("bytes {}-", partial.n_bytes)) {
        // The whole file comes, whatever was asked for.
        partial.clear().map_err(cannot)?;
    }
    bar.set(partial.n_bytes);
    let mut reader = response.body_mut().as_reader();
    let mut buffer = vec![0; BUFFER];
    while partial.n_bytes < file.n_bytes {
        let wanted = (file.n_bytes - partial.n_bytes).min(BUFFER as u64) as usize;
        let n = match reader.read(&mut buffer[..wanted]) {
            Ok(0) => return Ok(Ended::Broken("it ended early".to_owned())),
            Ok(n) => n,
            Err(error) => return Ok(Ended::Broken(error.to_string())),
        };
        partial.push(&buffer[..n]).map_err(cannot)?;
        bar.set(partial.n_bytes);
    }
    Ok(Ended::Whole)
}
