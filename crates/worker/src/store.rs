//! Files that are written: whole under their name, or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Failure, Result};

/// A file that takes its name only once it is complete. Until then it lies beside it under another
/// name, and goes away with this value.
pub(crate) struct NewFile {
    file: File,
    /// Where it lies meanwhile.
    partial: PathBuf,
    path: PathBuf,
    done: bool,
}

impl NewFile {
    /// Begins a file; one that exists is only replaced where `replace` says so.
    pub(crate) fn create(path: &Path, replace: bool) -> Result<Self> {
        if path.is_dir() {
            return Err(Failure::usage(format_args!(
                "{} is a folder; name the file to write",
                path.display()
            )));
        }
        if path.exists() && !replace {
            return Err(Failure::usage(format_args!(
                "{} exists; --force replaces it",
                path.display()
            )));
        }
        let mut name = path.file_name().unwrap_or(path.as_os_str()).to_owned();
        name.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(name);
        let file = File::create_new(&partial).map_err(|error| cannot_write(path, &error))?;
        Ok(Self {
            file,
            partial,
            path: path.to_owned(),
            done: false,
        })
    }

    /// Gives the file its name, after all of it reached the disk.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.partial, &self.path))
            .map_err(|error| cannot_write(&self.path, &error))?;
        self.done = true;
        Ok(())
    }

    /// Says which file an error is about.
    pub(crate) fn cannot_write(&self, error: &io::Error) -> Failure {
        cannot_write(&self.path, error)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.done {
            // What made it fail is reported; that rests of it stay would be no better news.
            _ = fs::remove_file(&self.partial);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room or write elsewhere (nothing was left behind)"
        }
        io::ErrorKind::NotFound => "; make the folder first",
        _ => "",
    };
    Failure::failed(format_args!(
        "cannot write {}: {error}{advice}",
        path.display()
    ))
}

/// Whether two paths name one file.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = NewFile::create(&path, false).unwrap();
        file.write_all(b"one").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(names(folder.path()), [""; 0]);

        let mut file = NewFile::create(&path, false).unwrap();
        file.write_all(b"two").unwrap();
        file.finish().unwrap();
        assert_eq!(names(folder.path()), ["a"]);
        assert_eq!(fs::read(&path).unwrap(), b"two");

        assert_eq!(NewFile::create(&path, false).err().unwrap().exit_code(), 2);
        NewFile::create(&path, true).unwrap().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn a_full_disk_is_said_so() {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let message = cannot_write(Path::new("m.gguf"), &error).message().unwrap();
        assert!(message.starts_with("cannot write m.gguf: "), "{message}");
        assert!(message.contains("make room"), "{message}");
    }
}
