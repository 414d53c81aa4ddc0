//! Model files, made as they are needed.

use std::fs;
use std::path::{Path, PathBuf};

use gguf::{GgufFile, MetadataValue, Writer};
use synth_model::{Arch, ModelSpec};
use tempfile::TempDir;

/// A folder of model files that goes away with this value.
pub struct Models(TempDir);

impl Default for Models {
    fn default() -> Self {
        Self::new()
    }
}

impl Models {
    /// An empty folder.
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    /// The path of a file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("the temporary folder can be written to");
        path
    }

    /// A model of two layers with a byte-level vocabulary, some 1.3 MB.
    pub fn tiny(&self) -> PathBuf {
        self.file("tiny.gguf", &tiny())
    }

    /// The tiny model, changed.
    pub fn changed(&self, name: &str, change: Change<'_>) -> PathBuf {
        self.file(name, &changed(&tiny(), change))
    }
}

/// The bytes of the tiny model.
pub fn tiny() -> Vec<u8> {
    synth(&ModelSpec::tiny(Arch::Qwen2))
}

/// The bytes of a model.
pub fn synth(spec: &ModelSpec) -> Vec<u8> {
    synth_model::to_bytes(spec, 1).expect("the specification is sound")
}

/// What to change in a model file.
#[derive(Clone, Copy, Default)]
pub struct Change<'a> {
    /// Keys to give another value, or to add.
    pub set: &'a [(&'a str, MetadataValue)],
    /// Beginnings of keys to leave out.
    pub drop_keys: &'a [&'a str],
    /// Beginnings of tensor names to leave out; an empty one leaves out all.
    pub drop_tensors: &'a [&'a str],
    /// Names of F32 tensors whose first value becomes NaN.
    pub poison: &'a [&'a str],
}

/// A model file, changed.
pub fn changed(bytes: &[u8], change: Change<'_>) -> Vec<u8> {
    let file = GgufFile::from_bytes(bytes.to_vec()).expect("a sound file");
    let begins = |name: &str, starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    let mut writer = Writer::new();
    for (key, value) in file.metadata().iter() {
        let is_set = change.set.iter().any(|(other, _)| *other == key);
        if !is_set && !begins(key, change.drop_keys) {
            writer.metadata(key, value);
        }
    }
    for (key, value) in change.set {
        writer.metadata(*key, value.clone());
    }
    for tensor in file.tensors() {
        if begins(tensor.name(), change.drop_tensors) {
            continue;
        }
        let mut bytes = tensor.bytes().to_vec();
        if change.poison.contains(&tensor.name()) {
            bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        writer.tensor(tensor.name(), tensor.dims(), tensor.tensor_type(), bytes);
    }
    writer.to_bytes().expect("the changed file can be written")
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
