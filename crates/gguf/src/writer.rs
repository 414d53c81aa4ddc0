//! Writing a file, by the same rules by which one is read.

use std::io::Write;

use crate::block::TensorType;
use crate::error::Error;
use crate::file::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, GgufFile, check_alignment};
use crate::layout;
use crate::metadata::{ArrayValue, Value, ValueType, check_key};
use crate::name_index::NameIndex;
use crate::shared_bytes::SharedBytes;
use crate::tensor::{check_name, checked_bytes};

mod value;

pub use value::MetadataValue;

/// Collects metadata and tensors, then writes them as one file.
///
/// Keys and tensors are written in the order given. Mistakes, such as a name given twice, are
/// reported when the file is written.
#[derive(Clone, Debug)]
pub struct Writer {
    version: u32,
    metadata: Vec<(String, MetadataValue)>,
    tensors: Vec<Tensor>,
}

#[derive(Clone, Debug)]
struct Tensor {
    name: String,
    dims: Vec<u64>,
    tensor_type: TensorType,
    bytes: SharedBytes,
}

impl Tensor {
    fn n_bytes(&self) -> Result<u64, Error> {
        checked_bytes(&self.name, &self.dims, self.tensor_type)
    }
}

impl Default for Writer {
    fn default() -> Writer {
        Writer {
            version: 3,
            metadata: Vec::new(),
            tensors: Vec::new(),
        }
    }
}

impl Writer {
    /// A writer of an empty file of version 3.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// A writer of the same version, metadata and tensors as a file. A split set becomes one file,
    /// without the `split.*` keys. The bytes of tensors are shared, not copied.
    pub fn from_file(file: &GgufFile) -> Writer {
        let mut writer = Writer {
            version: file.version(),
            ..Writer::default()
        };
        let is_set = file.n_parts() > 1;
        for (key, value) in file.metadata().iter() {
            if !(is_set && key.starts_with("split.")) {
                writer.metadata(key, value);
            }
        }
        for tensor in file.tensors() {
            let bytes = tensor.shared_bytes();
            writer.tensor(tensor.name(), tensor.dims(), tensor.tensor_type(), bytes);
        }
        writer
    }

    /// Adds a key.
    pub fn metadata(
        &mut self,
        key: impl Into<String>,
        value: impl Into<MetadataValue>,
    ) -> &mut Writer {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Adds a tensor: `dims` with the contiguous axis first, `bytes` as its type stores them.
    pub fn tensor(
        &mut self,
        name: impl Into<String>,
        dims: &[u64],
        tensor_type: TensorType,
        bytes: impl Into<SharedBytes>,
    ) -> &mut Writer {
        let (name, dims, bytes) = (name.into(), dims.to_vec(), bytes.into());
        self.tensors.push(Tensor {
            name,
            dims,
            tensor_type,
            bytes,
        });
        self
    }

    /// Aligns tensors to `alignment` bytes, a power of two from 8 to 65536, by adding the key
    /// `general.alignment`. Without it, it is 32.
    pub fn alignment(&mut self, alignment: u32) -> &mut Writer {
        self.metadata(ALIGNMENT_KEY, alignment)
    }

    /// The file in memory.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)?;
        Ok(bytes)
    }

    /// All that stands before the tensor data, padded: for files larger than memory, whose tensors
    /// the caller writes after it, in order, each padded to the alignment. Bytes given to
    /// [`tensor`](Writer::tensor) are not looked at and may be empty.
    pub fn header_bytes(&self) -> Result<Vec<u8>, Error> {
        let alignment = self.check()?;
        let mut header = self.header(alignment)?;
        let at = header.len() as u64;
        pad(&mut header, at, alignment)?;
        Ok(header)
    }

    /// Writes the file. Nothing is written if anything about it is wrong.
    pub fn write_to(&self, mut out: impl Write) -> Result<(), Error> {
        let alignment = self.check()?;
        self.check_data()?;
        let header = self.header(alignment)?;
        out.write_all(&header).map_err(Error::Write)?;
        let mut at = header.len() as u64;
        for tensor in &self.tensors {
            pad(&mut out, at, alignment)?;
            out.write_all(&tensor.bytes).map_err(Error::Write)?;
            at = tensor.bytes.len() as u64;
        }
        pad(&mut out, at, alignment)?;
        out.flush().map_err(Error::Write)
    }

    /// Whether every tensor has the bytes that its shape and type need.
    fn check_data(&self) -> Result<(), Error> {
        for tensor in &self.tensors {
            let (expected, found) = (tensor.n_bytes()?, tensor.bytes.len() as u64);
            if found != expected {
                let what = format!("the data of tensor `{}`", tensor.name);
                return Err(Error::SizeMismatch {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Checks everything but the data; gives the alignment.
    fn check(&self) -> Result<u64, Error> {
        for (key, value) in &self.metadata {
            check_key(key, 0)?;
            value.check()?;
        }
        NameIndex::new(self.metadata.len(), |at| self.metadata[at].0.as_bytes()).map_err(|at| {
            Error::DuplicateKey {
                key: self.metadata[at].0.clone(),
            }
        })?;
        for tensor in &self.tensors {
            check_name(&tensor.name, 0)?;
        }
        NameIndex::new(self.tensors.len(), |at| self.tensors[at].name.as_bytes()).map_err(
            |at| Error::DuplicateTensor {
                name: self.tensors[at].name.clone(),
            },
        )?;
        self.checked_alignment()
    }

    fn checked_alignment(&self) -> Result<u64, Error> {
        match self.metadata.iter().find(|(key, _)| key == ALIGNMENT_KEY) {
            None => Ok(DEFAULT_ALIGNMENT),
            Some((_, MetadataValue::U32(alignment))) => check_alignment((*alignment).into()),
            Some((key, other)) => Err(Error::WrongType {
                key: key.clone(),
                expected: ValueType::U32.name(),
                found: other.value_type().name().to_owned(),
            }),
        }
    }

    /// All that stands before the tensor data, without the padding after it.
    fn header(&self, alignment: u64) -> Result<Vec<u8>, Error> {
        let mut header = b"GGUF".to_vec();
        header.extend(self.version.to_le_bytes());
        header.extend((self.tensors.len() as u64).to_le_bytes());
        header.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            value::push_string(&mut header, key);
            value.push(&mut header);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            value::push_string(&mut header, &tensor.name);
            header.extend((tensor.dims.len() as u32).to_le_bytes());
            header.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            header.extend(tensor.tensor_type.id().to_le_bytes());
            header.extend(u64::to_le_bytes(offset));
            offset = layout::range_end(offset, tensor.n_bytes()?, u64::MAX)
                .and_then(|end| layout::align_up(end, alignment))
                .ok_or_else(|| Error::ShapeOverflow {
                    tensor: tensor.name.clone(),
                    tensor_type: tensor.tensor_type,
                    dims: tensor.dims.clone(),
                })?;
        }
        Ok(header)
    }
}

/// Writes zeros from `at`, an offset from any multiple of the alignment, to the next.
fn pad(out: &mut impl Write, at: u64, alignment: u64) -> Result<(), Error> {
    let zeros = [0; 64];
    let mut missing = layout::align_up(at, alignment).map_or(0, |end| end - at);
    while missing > 0 {
        let step = missing.min(zeros.len() as u64);
        out.write_all(&zeros[..step as usize])
            .map_err(Error::Write)?;
        missing -= step;
    }
    Ok(())
}
