//! The tensors of a file: their descriptions, checked at open, and views of their bytes.

use std::ops::Range;

use crate::block::TensorType;
use crate::cursor::{Cursor, text};
use crate::dequant;
use crate::error::Error;
use crate::layout;
use crate::shared_bytes::SharedBytes;

/// The longest tensor name that the format allows.
const MAX_NAME_BYTES: u64 = 64;

/// The most dimensions that the format allows.
const MAX_DIMS: usize = 4;

/// The fewest bytes a description can take: length and one byte of name, the number of dimensions,
/// one dimension, type, offset.
pub(crate) const MIN_INFO_BYTES: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// The description of a tensor, as read and checked.
#[derive(Clone, Debug)]
pub(crate) struct TensorInfo {
    name_start: usize,
    name_len: u8,
    n_dims: u8,
    tensor_type: TensorType,
    /// Which part of a split set holds it.
    pub(crate) part: u16,
    dims: [u64; MAX_DIMS],
    /// First relative to the tensor data, and after [`place`](Self::place) to the file.
    start: u64,
    len: u64,
}

impl TensorInfo {
    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<TensorInfo, Error> {
        let offset = cursor.offset();
        let name = cursor.string(MAX_NAME_BYTES, "a tensor name")?;
        check_name(name, offset)?;
        let name_start = cursor.position() - name.len();
        let n_dims = cursor.u32("a tensor description")?;
        let mut dims = [1; MAX_DIMS];
        let used = used_dims(name, n_dims, &mut dims)?;
        for dim in &mut *used {
            *dim = cursor.u64("a tensor description")?;
        }
        let id = cursor.u32("a tensor description")?;
        let tensor_type = TensorType::from_id(id).ok_or_else(|| Error::UnknownTensorType {
            tensor: name.to_owned(),
            id,
        })?;
        let len = tensor_type.tensor_bytes(name, used)?;
        let start = cursor.u64("a tensor description")?;
        // The limits on name and dimensions make them fit.
        let (name_len, n_dims) = (name.len() as u8, n_dims as u8);
        Ok(TensorInfo {
            name_start,
            name_len,
            n_dims,
            tensor_type,
            part: 0,
            dims,
            start,
            len,
        })
    }

    /// Checks where the tensor lies and makes `start` an offset in the file.
    pub(crate) fn place(&mut self, file: &SharedBytes, data: &DataSection) -> Result<(), Error> {
        let name = || text(self.name(file)).to_owned();
        let (offset, len, data_bytes) = (self.start, self.len, data.len);
        if layout::align_up(offset, data.alignment) != Some(offset) {
            return Err(Error::UnalignedOffset {
                tensor: name(),
                offset,
                alignment: data.alignment,
            });
        }
        if layout::range_end(offset, len, data_bytes).is_none() {
            return Err(Error::TensorOutOfFile {
                tensor: name(),
                offset,
                len,
                data_bytes,
            });
        }
        self.start = offset + data.start;
        Ok(())
    }

    pub(crate) fn name<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        &file[self.name_start..][..usize::from(self.name_len)]
    }

    /// Where the bytes lie in the file. `place` made sure that they do.
    pub(crate) fn range(&self) -> Range<u64> {
        self.start..self.start + self.len
    }
}

/// Where the tensor data of a file lies.
pub(crate) struct DataSection {
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) alignment: u64,
}

impl DataSection {
    /// The next offset in the file, from this one on, where a tensor could begin.
    pub(crate) fn align_up(&self, offset: u64) -> u64 {
        let relative = layout::align_up(offset - self.start, self.alignment);
        relative.map_or(u64::MAX, |relative| relative + self.start)
    }
}

fn used_dims<'a>(
    tensor: &str,
    n_dims: u32,
    dims: &'a mut [u64; MAX_DIMS],
) -> Result<&'a mut [u64], Error> {
    match dims.get_mut(..n_dims as usize) {
        Some(used) if n_dims > 0 => Ok(used),
        _ => Err(Error::BadNDims {
            tensor: tensor.to_owned(),
            n_dims,
        }),
    }
}

/// The rules for names that reader and writer share. `offset` is where the name stands.
pub(crate) fn check_name(name: &str, offset: u64) -> Result<(), Error> {
    let len = name.len() as u64;
    if name.is_empty() {
        Err(Error::EmptyName { offset })
    } else if len > MAX_NAME_BYTES {
        Err(Error::StringTooLong {
            what: "a tensor name",
            len,
            limit: MAX_NAME_BYTES,
            offset,
        })
    } else if name.contains('\0') {
        Err(Error::NulInName {
            name: name.to_owned(),
            offset,
        })
    } else {
        Ok(())
    }
}

/// The size in bytes of a tensor that is to be written, by the same rules as when reading.
pub(crate) fn checked_bytes(
    tensor: &str,
    dims: &[u64],
    tensor_type: TensorType,
) -> Result<u64, Error> {
    let n_dims = u32::try_from(dims.len()).unwrap_or(u32::MAX);
    used_dims(tensor, n_dims, &mut [1; MAX_DIMS])?;
    tensor_type.tensor_bytes(tensor, dims)
}

/// A tensor of a file.
#[derive(Clone, Copy)]
pub struct TensorView<'a> {
    info: &'a TensorInfo,
    /// The file, or the part of a split set, that holds the tensor.
    file: &'a SharedBytes,
}

impl<'a> TensorView<'a> {
    pub(crate) fn new(info: &'a TensorInfo, file: &'a SharedBytes) -> TensorView<'a> {
        TensorView { info, file }
    }

    /// The name, such as `blk.0.attn_q.weight`.
    pub fn name(&self) -> &'a str {
        text(self.info.name(self.file))
    }

    /// The dimensions as in the file: the contiguous axis first, so a matrix of `rows` rows of
    /// `columns` elements is `[columns, rows]`. One to four of them, none 0.
    pub fn dims(&self) -> &'a [u64] {
        &self.info.dims[..usize::from(self.info.n_dims)]
    }

    /// How the elements are stored.
    pub fn tensor_type(&self) -> TensorType {
        self.info.tensor_type
    }

    /// The number of elements.
    pub fn n_elements(&self) -> usize {
        self.dims().iter().product::<u64>() as usize
    }

    /// The length of a row: `dims()[0]`.
    pub fn row_len(&self) -> usize {
        self.info.dims[0] as usize
    }

    /// The number of rows: the product of all dimensions but the first.
    pub fn n_rows(&self) -> usize {
        self.n_elements() / self.row_len()
    }

    /// The stored bytes.
    pub fn bytes(&self) -> &'a [u8] {
        &self.file[self.range()]
    }

    /// The stored bytes as an owner that keeps the file mapped.
    pub fn shared_bytes(&self) -> SharedBytes {
        self.file.slice(self.range())
    }

    /// The elements, decoded, row after row.
    pub fn to_f32(&self) -> Result<Vec<f32>, Error> {
        let tensor_type = self.tensor_type();
        if !tensor_type.can_dequantize() {
            return Err(Error::CannotDequantize { tensor_type });
        }
        let mut values = vec![0.0; self.n_elements()];
        dequant::dequantize(tensor_type, self.bytes(), &mut values)?;
        Ok(values)
    }

    /// The range was checked to lie within the file, so it fits its index type.
    fn range(&self) -> Range<usize> {
        let Range { start, end } = self.info.range();
        start as usize..end as usize
    }
}

impl std::fmt::Debug for TensorView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} {:?}",
            self.name(),
            self.tensor_type(),
            self.dims()
        )
    }
}
