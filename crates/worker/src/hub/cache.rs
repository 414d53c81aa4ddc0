//! The cache that the clients of the Hub share, and what the environment says of it:
//! `models--OWNER--NAME/{blobs,refs,snapshots}`, with locks beside.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::reference::is_safe_path;
use crate::error::{Failure, Result};
use crate::logging::notice;

/// What the environment says of the Hub.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where the Hub is.
    pub(super) endpoint: String,
    /// The folder of all models.
    pub(super) cache: PathBuf,
    /// What lets us in.
    pub(super) token: Option<String>,
    /// Whether to leave the network alone.
    pub(super) offline: bool,
}

impl Settings {
    /// Reads `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_TOKEN` and `HF_HUB_OFFLINE`.
    pub(crate) fn from_env() -> Result<Self> {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        let home = path("HF_HOME").or_else(|| {
            let cache = path("XDG_CACHE_HOME");
            let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
            Some(cache?.join("huggingface"))
        });
        let cache = path("HF_HUB_CACHE").or_else(|| Some(home.as_ref()?.join("hub")));
        let Some(cache) = cache else {
            return Err(Failure::failed(
                "there is no home folder; set HF_HOME to a folder",
            ));
        };
        let stored = || fs::read_to_string(home.as_ref()?.join("token")).ok();
        let token = text("HF_TOKEN").or_else(stored);
        let token = token.map(|token| token.trim().to_owned());
        let endpoint = text("HF_ENDPOINT");
        let endpoint = endpoint.as_deref().unwrap_or("https://huggingface.co");
        let offline = text("HF_HUB_OFFLINE").map(|value| value.to_ascii_uppercase());
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache,
            token: token.filter(|token| !token.is_empty()),
            offline: offline.is_some_and(|value| ["1", "ON", "YES", "TRUE"].contains(&&*value)),
        })
    }
}

/// What the cache holds of one repository.
pub(crate) struct Cache {
    root: PathBuf,
    locks: PathBuf,
}

impl Cache {
    /// The place of a repository; nothing is made yet.
    pub(crate) fn new(settings: &Settings, repo: &str) -> Self {
        let name = format!("models--{}", repo.replace('/', "--"));
        Self {
            root: settings.cache.join(&name),
            locks: settings.cache.join(".locks").join(&name),
        }
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The commit that was pulled last.
    pub(super) fn get_ref(&self) -> Option<String> {
        let commit = fs::read_to_string(self.root.join("refs/main")).ok()?;
        let commit = commit.trim();
        is_hex(commit, 40).then(|| commit.to_owned())
    }

    /// Remembers the commit that was pulled.
    pub(super) fn set_ref(&self, commit: &str) -> Result<()> {
        let path = self.root.join("refs/main");
        let written = make_parent(&path).and_then(|()| fs::write(&path, commit));
        written.map_err(|error| cannot_write(&path, &error))
    }

    /// Where a file of a commit lies.
    pub(super) fn snapshot_path(&self, commit: &str, name: &str) -> PathBuf {
        self.root.join("snapshots").join(commit).join(name)
    }

    /// The files of a commit that are whole, with their sizes.
    pub(super) fn snapshot_files(&self, commit: &str) -> Vec<(String, u64)> {
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let path = self.snapshot_path(commit, &folder);
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                // What a link points to: nothing, if the blob was removed.
                match fs::metadata(entry.path()) {
                    Ok(found) if found.is_dir() => folders.push(format!("{name}/")),
                    Ok(found) => files.push((name, found.len())),
                    Err(_) => {}
                }
            }
        }
        files
    }

    /// Where the contents of a file lie, by its hash.
    pub(super) fn blob_path(&self, hash: &str) -> PathBuf {
        self.root.join("blobs").join(hash)
    }

    /// Makes a file of a commit point to its contents.
    pub(super) fn link(&self, commit: &str, name: &str, hash: &str) -> Result<PathBuf> {
        let path = self.snapshot_path(commit, name);
        let sound = is_safe_path(name) && is_hex(commit, 40);
        if !sound {
            return Err(Failure::failed(format_args!(
                "the Hub names a file `{name}`"
            )));
        }
        let up = "../".repeat(2 + name.matches('/').count());
        let target = PathBuf::from(format!("{up}blobs/{hash}"));
        let linked = make_parent(&path).and_then(|()| {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            link(&target, &self.blob_path(hash), &path)
        });
        linked.map_err(|error| cannot_write(&path, &error))?;
        Ok(path)
    }

    /// Keeps others from fetching the same contents, for as long as the value lives.
    pub(super) fn lock(&self, hash: &str) -> Result<File> {
        let path = self.locks.join(format!("{hash}.lock"));
        let opened = make_parent(&path).and_then(|()| File::create(&path));
        let file = opened.map_err(|error| cannot_write(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                notice!("another program fetches the same file; waiting for it");
                file.lock().map_err(|error| cannot_write(&path, &error))?;
            }
            Err(TryLockError::Error(error)) => return Err(cannot_write(&path, &error)),
        }
        Ok(file)
    }
}

/// A link that survives moving the whole cache.
#[cfg(unix)]
fn link(target: &Path, _: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

/// Where links need rights that users lack: a second name of the same contents.
#[cfg(not(unix))]
fn link(_: &Path, blob: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(blob, path)
}

pub(super) fn make_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; make room, or set HF_HOME to a larger disk; what was fetched so far is kept"
        }
        _ => "; HF_HOME sets another folder",
    };
    Failure::failed(format_args!(
        "cannot write {}: {error}{advice}",
        path.display()
    ))
}

/// Whether it is so many lower-case hexadecimal digits: then it is a name of nothing else.
pub(super) fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
