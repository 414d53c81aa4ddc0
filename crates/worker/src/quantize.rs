//! Another file of the same model, with its matrices in other types.
//!
//! [`recipe`] says which tensor becomes what; [`encode`] does it, on several threads and with a few
//! rows of each thread in memory at a time.

pub(crate) mod encode;
pub(crate) mod recipe;

use std::io::{BufWriter, Write};

use gguf::{GgufFile, MetadataValue, SharedBytes, Writer};
use llama_arch::CancelFlag;

use crate::error::{Failure, Result};
use crate::store::NewFile;
use recipe::{Choice, FileType};

/// The key by which a file says what it mostly is.
const FILE_TYPE: &str = "general.file_type";

/// The key for the generation of block formats, and the only one there still is.
const QUANTIZATION_VERSION: (&str, u32) = ("general.quantization_version", 2);

/// A file to be made of another.
pub(crate) struct Plan<'a> {
    /// The other.
    pub(crate) file: &'a GgufFile,
    /// What it says it mostly is.
    pub(crate) file_type: FileType,
    /// What every tensor becomes.
    pub(crate) choices: Vec<Choice<'a>>,
}

impl<'a> Plan<'a> {
    /// Decides by the rules, or with `pure` without them.
    pub(crate) fn new(file: &'a GgufFile, file_type: FileType, pure: bool) -> Result<Self> {
        let choices = recipe::choices(file, file_type, pure)?;
        Ok(Self {
            file,
            file_type,
            choices,
        })
    }

    /// Bytes of all tensors as they will be stored.
    pub(crate) fn data_bytes(&self) -> Result<u64> {
        self.choices.iter().map(Choice::n_bytes).sum()
    }

    /// Weights of all tensors.
    pub(crate) fn n_elements(&self) -> u64 {
        let tensors = self.choices.iter().map(|choice| choice.tensor);
        tensors.map(|tensor| tensor.n_elements() as u64).sum()
    }

    /// All that stands before the tensors.
    fn header(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::new();
        let set = [(FILE_TYPE, self.file_type.id()), QUANTIZATION_VERSION];
        for (key, value) in self.file.metadata().iter() {
            match set.iter().find(|(other, _)| *other == key) {
                Some(&(_, value)) => writer.metadata(key, value),
                None if key.starts_with("split.") => &mut writer,
                None => writer.metadata(key, MetadataValue::from(value)),
            };
        }
        for (key, value) in set {
            if self.file.metadata().iter().all(|(other, _)| other != key) {
                writer.metadata(key, value);
            }
        }
        for Choice { tensor, to, .. } in &self.choices {
            writer.tensor(tensor.name(), tensor.dims(), *to, SharedBytes::from(vec![]));
        }
        Ok(writer.header_bytes()?)
    }

    /// The alignment of tensors, in the old file and in the new one.
    fn alignment(&self) -> Result<usize> {
        let alignment = self.file.metadata().find_u32("general.alignment")?;
        Ok(alignment.unwrap_or(32) as usize)
    }

    /// Writes the file. `progress` is told the elements done.
    pub(crate) fn write(
        &self,
        out: NewFile,
        n_threads: usize,
        cancel: &CancelFlag,
        mut progress: impl FnMut(u64),
    ) -> Result<()> {
        let mut out = BufWriter::new(out);
        let header = self.header()?;
        let alignment = self.alignment()?;
        let write = |out: &mut BufWriter<NewFile>, bytes: &[u8]| {
            out.write_all(bytes)
                .map_err(|error| out.get_ref().cannot_write(&error))
        };
        write(&mut out, &header)?;
        for Choice { tensor, to, .. } in &self.choices {
            tracing::debug!(
                tensor = tensor.name(),
                from = %tensor.tensor_type(),
                to = %to,
                "tensor"
            );
            let mut n_bytes = 0;
            encode::tensor(*tensor, *to, n_threads, |rows, bytes| {
                if cancel.is_cancelled() {
                    return Err(Failure::Interrupted);
                }
                n_bytes += bytes.len();
                write(&mut out, bytes)?;
                progress((rows * tensor.row_len()) as u64);
                Ok(())
            })?;
            write(
                &mut out,
                &vec![0; n_bytes.next_multiple_of(alignment) - n_bytes],
            )?;
        }
        self.file.check_unchanged()?;
        out.into_inner()
            .map_err(|error| {
                let (error, out) = error.into_parts();
                out.get_ref().cannot_write(&error)
            })?
            .finish()
    }
}
