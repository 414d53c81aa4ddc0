//! Files that are read: models, prompts, and what the system says of its memory; and transcripts.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gguf::GgufFile;
use llama_arch::{Device, LlamaModel, LoadOptions, MemoryPlan};
use tokenizer_bpe::Tokenizer;

use crate::error::{Failure, Result};
use crate::hub::cache::Settings;
use crate::hub::{self, reference::Reference};
use crate::logging::notice;
use crate::progress::{Progress, Unit};

/// The demo model inside the binary, aligned as the weights of a mapped file are.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

static DEMO: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../models/haiku/haiku.gguf"));

/// What the demo model is called.
const DEMO_NAME: &str = "haiku (bundled demo)";

/// An open model file and what to call it.
pub(crate) struct ModelFile {
    /// File name, or the demo model's name.
    pub(crate) name: String,
    /// The path, unless it is the demo model.
    pub(crate) path: Option<PathBuf>,
    /// Its contents.
    pub(crate) file: GgufFile,
    /// When it began to be opened.
    opened: Instant,
}

impl ModelFile {
    /// Opens a model; without a path, the bundled one, and says so.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let opened = Instant::now();
        let Some(path) = path else {
            notice!(
                model = DEMO_NAME,
                "model: the bundled demo, which only writes haiku; --model FILE takes another"
            );
            return Ok(Self {
                name: DEMO_NAME.to_owned(),
                path: None,
                file: GgufFile::from_static(&DEMO.0)?,
                opened,
            });
        };
        let pulled = match path.to_str().and_then(|path| path.strip_prefix("hf:")) {
            Some(reference) => Some(from_hub(reference)?),
            None => None,
        };
        let path = pulled.as_deref().unwrap_or(path);
        let file = GgufFile::open(path).map_err(|error| describe(path, error))?;
        let odd = file.warnings();
        if !odd.is_empty() {
            tracing::warn!(
                "{}: {} bytes in {} holes and {} bytes at the end belong to no tensor",
                path.display(),
                odd.hole_bytes,
                odd.n_holes,
                odd.trailing_bytes
            );
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            path: Some(path.to_owned()),
            file,
            opened,
        })
    }

    /// Puts the model's name before an error about it.
    pub(crate) fn about(&self, error: impl Into<Failure>) -> Failure {
        let path = self.path.as_deref();
        error
            .into()
            .about(path.map_or(DEMO_NAME.into(), Path::to_string_lossy))
    }

    /// The tokenizer alone.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer> {
        let tokenizer = Tokenizer::from_gguf(&self.file).map_err(|error| self.about(error))?;
        self.file.check_unchanged()?;
        Ok(tokenizer)
    }

    /// Loads the weights onto a device, showing progress where it takes long. If the device
    /// cannot be used, `other` may name another one, given the reason.
    pub(crate) fn load(
        &self,
        device: &Device,
        other: impl FnOnce(&str) -> Option<Device>,
    ) -> Result<LlamaModel> {
        let started = Instant::now();
        let mut bar = Progress::new("loading", Unit::Bytes, self.file.data_bytes());
        let mut progress = |done: u64, _: u64| bar.set(done);
        let mut load = |device: &Device| {
            let options = LoadOptions {
                progress: Some(&mut progress),
            };
            LlamaModel::load(&self.file, device, options)
        };
        let model = match load(device) {
            Err(llama_arch::Error::DeviceUnavailable { device, reason }) => match other(&reason) {
                Some(other) => load(&other),
                None => Err(llama_arch::Error::DeviceUnavailable { device, reason }),
            },
            model => model,
        };
        bar.finish();
        let model = model.map_err(|error| self.about(error))?;
        self.file.check_unchanged()?;
        tracing::info!(
            model = self.name,
            device = model.device_description(),
            weight_bytes = self.file.data_bytes(),
            ms = started.elapsed().as_secs_f64() * 1e3,
            "loaded"
        );
        Ok(model)
    }

    /// How long ago the file began to be opened: once all is ready, what loading took.
    pub(crate) fn since_opened(&self) -> Duration {
        self.opened.elapsed()
    }
}

/// Where a model of the Hub lies, once it does.
fn from_hub(reference: &str) -> Result<PathBuf> {
    let reference: Reference = reference
        .parse()
        .map_err(|error| Failure::usage(format_args!("hf:{reference}: {error}")))?;
    Ok(hub::find_or_pull(&reference, &Settings::from_env()?)?.path)
}

fn describe(path: &Path, error: gguf::Error) -> Failure {
    use gguf::Error::{FileChanged, Io, NotAFile};
    let names_the_file = matches!(error, Io { .. } | NotAFile { .. } | FileChanged { .. });
    let failure = Failure::from(error);
    if names_the_file {
        failure
    } else {
        failure.about(path.display())
    }
}

/// Logs a plan, and refuses one that this machine's memory cannot hold, where the system tells. The
/// memory of a GPU is checked as it is planned for.
pub(crate) fn check_host_memory(plan: &MemoryPlan, model: &LlamaModel) -> Result<()> {
    tracing::info!(
        device = model.device_description(),
        weights = plan.weight_bytes,
        kv_cache = plan.kv_bytes,
        scratch = plan.scratch_bytes,
        "memory, in bytes"
    );
    if model.free_bytes()?.is_some() {
        return Ok(());
    }
    let Some(available) = available_host_bytes() else {
        return Ok(());
    };
    // Mapped weights can be read from the disk again and again, cache and scratch cannot.
    let unmapped = MemoryPlan {
        weight_bytes: 0,
        ..*plan
    };
    unmapped.check(available)?;
    if plan.total_bytes() > available {
        tracing::warn!(
            "{} bytes are needed and {available} are free: weights will be read from the disk \
             again and again",
            plan.total_bytes()
        );
    }
    Ok(())
}

/// Bytes of memory that can be had without swapping; `None` where the system does not tell.
pub(crate) fn available_host_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// A file to be read bit by bit, and its size.
pub(crate) fn open(path: &Path) -> Result<(impl Read + use<>, u64)> {
    let file = fs::File::open(path).map_err(|error| cannot("open", path, &error))?;
    let found = file
        .metadata()
        .map_err(|error| cannot("open", path, &error))?;
    Ok((file, found.len()))
}

/// The operating system and its kernel; `None` where it does not tell.
pub(crate) fn os_description() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let name = release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = name.trim_matches('"');
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Some(format!("{name}, kernel {}", kernel.trim()))
}

/// What the processor calls itself; `None` where the system does not tell.
pub(crate) fn processor_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// Version of the NVIDIA driver in the kernel, if there is one.
pub(crate) fn nvidia_driver() -> Option<String> {
    let text = fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let mut words = text.lines().next()?.split_whitespace();
    let is_version =
        |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    words.find(is_version).map(str::to_owned)
}

/// The text of a file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| cannot("read", path, &error))?;
    utf8(bytes, &path.display().to_string())
}

/// All of stdin, as text.
pub(crate) fn read_stdin() -> Result<String> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format_args!("cannot read stdin: {error}")))?;
    utf8(bytes, "stdin")
}

/// Writes a file.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|error| cannot("write", path, &error))
}

/// Whether someone types at stdin.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format_args!("cannot {what} {}: {error}", path.display()))
}

fn utf8(bytes: Vec<u8>, source: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        Failure::failed(format_args!(
            "{source} is not UTF-8: the first bad byte is at offset {}; convert it first",
            error.utf8_error().valid_up_to()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_aligned_and_whole() {
        assert_eq!(DEMO.0.as_ptr().align_offset(64), 0);
        let model = ModelFile::open(None).unwrap();
        let loaded = model.load(&Device::cpu(), |_| None).unwrap();
        assert!(loaded.config().vocab > 0);
    }
}
