//! Opening a file, or the files of a split set. The only file I/O of this crate and, with
//! `lost_page`, its only `unsafe`.

mod header;
mod lost_page;
mod split;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::cursor::text;
use crate::error::Error;
use crate::metadata::Metadata;
use crate::name_index::NameIndex;
use crate::shared_bytes::{Backing, SharedBytes};
use crate::tensor::{TensorInfo, TensorView};
pub(crate) use header::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, check_alignment};
use header::{Part, parse};
pub use lost_page::{LOST_PAGE_EXIT_CODE, exit_on_lost_page};

/// A parsed GGUF file, or a set of files that hold one model. Cheap to clone: the bytes are shared.
///
/// Everything is checked when it is opened, so what the accessors return lies within the file. A
/// file must not be changed in place while it is open (replace models by renaming).
/// [`check_unchanged`](GgufFile::check_unchanged) notices that it was written to; one cut short
/// ends the process when a lost page is read, which [`exit_on_lost_page`] makes a clean end.
#[derive(Clone, Debug)]
pub struct GgufFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Vec<SharedBytes>,
    /// One for each part that was opened by its path.
    origins: Vec<Origin>,
    version: u32,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    index: NameIndex,
    warnings: Warnings,
}

/// Bytes of the file that belong to nothing: no error, but no converter writes them either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warnings {
    /// Gaps before or between tensors, beyond what the alignment asks for.
    pub n_holes: u64,
    /// The bytes in those gaps.
    pub hole_bytes: u64,
    /// Bytes after the last tensor, beyond what the alignment asks for.
    pub trailing_bytes: u64,
}

impl Warnings {
    /// Whether there is nothing to warn of.
    pub fn is_empty(&self) -> bool {
        *self == Warnings::default()
    }
}

/// Where bytes came from, to tell whether they still are what was read.
#[derive(Debug)]
struct Origin {
    path: PathBuf,
    file: File,
    len: u64,
    modified: Option<SystemTime>,
}

impl GgufFile {
    /// Opens and maps a file. Given the first part of a split set, opens all its parts.
    pub fn open(path: impl AsRef<Path>) -> Result<GgufFile, Error> {
        let path = path.as_ref();
        let (bytes, origin) = map(path)?;
        let first = parse(bytes)?;
        let (mut further, mut origins) = (Vec::new(), vec![origin]);
        for path in split::further_paths(path, &first.metadata)? {
            let (bytes, origin) = map(&path)?;
            further.push(parse(bytes).map_err(|source| in_part(&path, source))?);
            origins.push(origin);
        }
        split::check_set(&first, &further, &origins)?;
        GgufFile::assemble(first, further, origins)
    }

    /// Parses a file that is in memory. A part of a split set is refused.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<GgufFile, Error> {
        GgufFile::from_shared(SharedBytes::from(bytes))
    }

    /// Parses a file that lives as long as the program, such as a model inside the binary.
    pub fn from_static(bytes: &'static [u8]) -> Result<GgufFile, Error> {
        GgufFile::from_shared(SharedBytes::from_static(bytes))
    }

    fn from_shared(bytes: SharedBytes) -> Result<GgufFile, Error> {
        let part = parse(bytes)?;
        split::refuse_split(&part.metadata)?;
        GgufFile::assemble(part, Vec::new(), Vec::new())
    }

    /// The format version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.inner.version
    }

    /// The metadata; of a split set, that of its first part.
    pub fn metadata(&self) -> &Metadata {
        &self.inner.metadata
    }

    /// The tensors in file order.
    pub fn tensors(&self) -> impl Iterator<Item = TensorView<'_>> {
        self.inner.tensors.iter().map(|info| self.view(info))
    }

    /// The number of tensors.
    pub fn n_tensors(&self) -> usize {
        self.inner.tensors.len()
    }

    /// The tensor called `name`, which must be there.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, Error> {
        self.find_tensor(name).ok_or_else(|| Error::MissingTensor {
            name: name.to_owned(),
        })
    }

    /// The tensor called `name`, if there is one.
    pub fn find_tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let inner = &*self.inner;
        let at = inner
            .index
            .find(name, |at| name_of(&inner.parts, &inner.tensors[at]))?;
        inner.tensors.get(at).map(|info| self.view(info))
    }

    /// The size of the file or files.
    pub fn file_bytes(&self) -> u64 {
        self.inner.parts.iter().map(|part| part.len() as u64).sum()
    }

    /// The bytes of all tensors together, without padding.
    pub fn data_bytes(&self) -> u64 {
        self.tensors()
            .map(|tensor| tensor.bytes().len() as u64)
            .sum()
    }

    /// The number of files: 1, or that of the split set.
    pub fn n_parts(&self) -> usize {
        self.inner.parts.len()
    }

    /// What is odd about the file without being an error.
    pub fn warnings(&self) -> Warnings {
        self.inner.warnings
    }

    /// Whether every file still has the length and the modification time it had when it was
    /// opened. To be asked after something was read from it and before the result is used: a file
    /// overwritten in between gives wrong values that nothing else can tell from right ones. Takes
    /// about a microsecond for each file.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        match self
            .inner
            .origins
            .iter()
            .find(|origin| !origin.is_unchanged())
        {
            Some(origin) => Err(Error::FileChanged {
                path: origin.path.clone(),
            }),
            None => Ok(()),
        }
    }

    fn view<'a>(&'a self, info: &'a TensorInfo) -> TensorView<'a> {
        TensorView::new(info, &self.inner.parts[usize::from(info.part)])
    }

    fn assemble(first: Part, further: Vec<Part>, origins: Vec<Origin>) -> Result<GgufFile, Error> {
        let Part {
            bytes,
            version,
            metadata,
            mut tensors,
            mut warnings,
        } = first;
        let mut parts = vec![bytes];
        for mut part in further {
            // The number of parts was read from the file as one that fits.
            let number = parts.len() as u16;
            part.tensors.iter_mut().for_each(|info| info.part = number);
            tensors.append(&mut part.tensors);
            parts.push(part.bytes);
            warnings.n_holes += part.warnings.n_holes;
            warnings.hole_bytes += part.warnings.hole_bytes;
            warnings.trailing_bytes += part.warnings.trailing_bytes;
        }
        let name = |at: usize| name_of(&parts, &tensors[at]);
        let index = NameIndex::new(tensors.len(), name).map_err(|at| Error::DuplicateTensor {
            name: text(name(at)).to_owned(),
        })?;
        let inner = Inner {
            parts,
            origins,
            version,
            metadata,
            tensors,
            index,
            warnings,
        };
        Ok(GgufFile {
            inner: Arc::new(inner),
        })
    }
}

impl Origin {
    fn is_unchanged(&self) -> bool {
        let now = self.file.metadata();
        now.is_ok_and(|now| now.len() == self.len && now.modified().ok() == self.modified)
    }
}

fn name_of<'a>(parts: &'a [SharedBytes], info: &TensorInfo) -> &'a [u8] {
    info.name(&parts[usize::from(info.part)])
}

fn in_part(path: &Path, source: Error) -> Error {
    Error::InPart {
        path: path.to_owned(),
        source: Box::new(source),
    }
}

fn map(path: &Path) -> Result<(SharedBytes, Origin), Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    // Before opening: to open a pipe would wait for a writer.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::NotAFile {
            path: path.to_owned(),
        });
    }
    let file = File::open(path).map_err(io)?;
    let found = file.metadata().map_err(io)?;
    // SAFETY: the map is read-only and private, and all reads of it are bounds-checked against its
    // length. Rust also asks that nobody changes the file meanwhile, which no program can enforce;
    // the documentation of `GgufFile` asks it of the user, and nothing that was read is trusted to
    // read the same again: text is validated at each access, ranges are kept outside the map.
    let map = unsafe { memmap2::Mmap::map(&file) }.map_err(io)?;
    let origin = Origin {
        path: path.to_owned(),
        file,
        len: found.len(),
        modified: found.modified().ok(),
    };
    Ok((SharedBytes::new(Backing::Mapped(map)), origin))
}
