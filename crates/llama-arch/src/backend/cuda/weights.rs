//! Weight matrices in the device's memory.
//!
//! A matrix of any type that the matrix units take is packed into units as it is uploaded
//! ([`PackedWeight`]); one of bf16 or f32 keeps the rows of the file.

use std::ops::Range;

use cuda_kernels::launch::{PackedWeight, Repack, RepackRows, RowOrder, Weight};
use cuda_kernels::{Buffer, Device, Kernels, Uploader, WeightType};

use gguf::TensorView;

use super::Outcome;
use super::device::failed;
use crate::backend::{MatrixPart, MatrixSource, RowKind};
use crate::error::{Error, Result};

/// Bytes of the file's rows that wait on the device to be packed, at most.
const STAGING_BYTES: usize = 64 << 20;

/// Bytes that are copied to the device at a time, at most.
const UPLOAD_BYTES: usize = 8 << 20;

/// Rows of a tile of units.
const TILE_ROWS: usize = 16;

/// A weight matrix in the device's memory.
pub struct CudaMatrix {
    pub(super) row_len: usize,
    pub(super) n_rows: usize,
    /// Whether tiles hold gates and their up projections side by side: then it is one part.
    pub(super) is_paired: bool,
    parts: Vec<Part>,
}

struct Part {
    bytes: Buffer<u8>,
    weight_type: WeightType,
    n_rows: usize,
    is_packed: bool,
}

/// A part as kernels take it.
pub(super) enum Stored<'a> {
    Packed(PackedWeight<'a>),
    Rows(Weight<'a>),
}

impl CudaMatrix {
    /// The parts, each with its rows of the whole.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Range<usize>, Stored<'_>)> {
        self.parts.iter().scan(0, |next, part| {
            let first = *next;
            *next += part.n_rows;
            Some((first..*next, self.stored(part)))
        })
    }

    fn stored<'a>(&self, part: &'a Part) -> Stored<'a> {
        let Part {
            bytes,
            weight_type,
            n_rows,
            is_packed,
        } = part;
        if *is_packed {
            Stored::Packed(PackedWeight {
                units: bytes.view(),
                weight_type: *weight_type,
                n_rows: *n_rows,
                row_len: self.row_len,
                order: if self.is_paired {
                    RowOrder::Paired
                } else {
                    RowOrder::Plain
                },
            })
        } else {
            Stored::Rows(Weight {
                bytes: bytes.view(),
                weight_type: *weight_type,
                n_rows: *n_rows,
                row_len: self.row_len,
            })
        }
    }

    /// Whether some of it has minima beside scales.
    pub(super) fn has_minima(&self) -> bool {
        self.parts.iter().any(|part| part.weight_type.has_minima())
    }

    /// Whether all of it is packed.
    pub(super) fn is_packed(&self) -> bool {
        self.parts.iter().all(|part| part.is_packed)
    }
}

impl<'a> Stored<'a> {
    pub(super) fn packed(self) -> Option<PackedWeight<'a>> {
        match self {
            Self::Packed(weight) => Some(weight),
            Self::Rows(_) => None,
        }
    }
}

/// Takes matrices to the device.
pub(super) struct Loader {
    uploader: Uploader,
    /// Rows of the file that wait to be packed: two halves, for what is packed in pairs.
    staging: Buffer<u8>,
}

impl Loader {
    /// A loader that suits matrices like this one, and takes others too.
    pub(super) fn new(device: &Device, source: &MatrixSource) -> Outcome<Self> {
        let bytes: usize = source.parts.iter().map(|part| part.bytes.len()).sum();
        Ok(Self {
            uploader: Uploader::with_chunks(device, bytes.clamp(1, UPLOAD_BYTES))?,
            staging: device.zeroed(0)?,
        })
    }

    pub(super) fn matrix(
        &mut self,
        kernels: &Kernels,
        source: &MatrixSource,
    ) -> Result<CudaMatrix> {
        let types = source.parts.iter().map(weight_type);
        let types = types.collect::<Result<Vec<_>>>()?;
        let (row_len, n_rows) = (source.row_len, source.n_rows());
        let first = types[0];
        let is_paired = source.rows == RowKind::GateOverUp
            && can_be_packed(first, row_len)
            && types.iter().all(|&of| of == first);
        let mut parts = Vec::new();
        let mut loaded = |part: Outcome<Part>| -> Result<()> {
            parts.push(part.map_err(failed("matrix"))?);
            Ok(())
        };
        if is_paired {
            let (gates, ups) = halves(source);
            let rows = FileRows {
                weight_type: first,
                row_len,
                n_rows,
            };
            loaded(self.pack(kernels, rows, (&[gates], Some(ups))))?;
        } else {
            let kinds: Vec<_> = source.parts.iter().zip(types).collect();
            for run in kinds.chunk_by(|a, b| are_joined(*a, *b, row_len)) {
                let (part, weight_type) = run[0];
                let rows = FileRows {
                    weight_type,
                    row_len,
                    n_rows: run.iter().map(|(part, _)| part.n_rows).sum(),
                };
                if can_be_packed(weight_type, row_len) {
                    let pieces: Vec<&[u8]> = run.iter().map(|(part, _)| &*part.bytes).collect();
                    loaded(self.pack(kernels, rows, (&pieces, None)))?;
                } else {
                    loaded(self.copy(kernels, rows, &part.bytes))?;
                }
            }
        }
        Ok(CudaMatrix {
            row_len,
            n_rows,
            is_paired,
            parts,
        })
    }

    fn copy(&mut self, kernels: &Kernels, rows: FileRows, bytes: &[u8]) -> Outcome<Part> {
        let mut on_device = kernels.device().zeroed(bytes.len())?;
        self.uploader.copy(bytes, on_device.view_mut())?;
        Ok(rows.stored(on_device, false))
    }

    /// Uploads rows, or gates and ups, in slices of whole tiles, and packs each slice. All pieces
    /// but the last are whole tiles; with ups there is one.
    fn pack(
        &mut self,
        kernels: &Kernels,
        rows: FileRows,
        (pieces, ups): (&[&[u8]], Option<&[u8]>),
    ) -> Outcome<Part> {
        let tile_rows = if ups.is_some() {
            TILE_ROWS / 2
        } else {
            TILE_ROWS
        };
        let row_bytes = rows.weight_type.row_bytes(rows.row_len).unwrap_or(1);
        let tile_bytes = tile_rows * row_bytes;
        let slice_tiles = (STAGING_BYTES / 2 / tile_bytes).max(1);
        let longest = pieces.iter().map(|piece| piece.len()).max().unwrap_or(0);
        let half = longest.min(slice_tiles * tile_bytes);
        // The second half begins where loads of 16 bytes can.
        let half = half.next_multiple_of(256);
        if self.staging.len() < 2 * half {
            self.staging = kernels.device().zeroed(2 * half)?;
        }
        let plain = RowOrder::Plain;
        let unit_tile = PackedWeight::bytes(rows.weight_type, TILE_ROWS, rows.row_len, plain);
        let unit_tile = unit_tile.unwrap_or(0);
        let tiles_of = |bytes: &[u8]| bytes.len().div_ceil(tile_bytes);
        let n_tiles: usize = pieces.iter().map(|piece| tiles_of(piece)).sum();
        let mut units = kernels.device().zeroed(n_tiles * unit_tile)?;
        let slices = pieces
            .iter()
            .flat_map(|piece| piece.chunks(slice_tiles * tile_bytes));
        let mut end = 0;
        for slice in slices {
            let begin = end;
            end += tiles_of(slice);
            self.uploader.copy(slice, self.staging.view_mut())?;
            if let Some(ups) = ups {
                let start = begin * tile_bytes;
                let upper = self.staging.view_mut().range(half..half + slice.len())?;
                self.uploader
                    .copy(&ups[start..start + slice.len()], upper)?;
            }
            let staged = |at: usize| -> Outcome<_> {
                Ok(Weight {
                    bytes: self.staging.view().range(at..at + slice.len())?,
                    weight_type: rows.weight_type,
                    n_rows: slice.len() / row_bytes,
                    row_len: rows.row_len,
                })
            };
            let repack = Repack {
                rows: match ups {
                    None => RepackRows::Plain(staged(0)?),
                    Some(_) => RepackRows::Paired {
                        gate: staged(0)?,
                        up: staged(half)?,
                    },
                },
                units: units.view_mut().range(begin * unit_tile..end * unit_tile)?,
            };
            repack.launch(kernels)?;
        }
        Ok(rows.stored(units, true))
    }
}

/// Rows as the file has them.
#[derive(Clone, Copy)]
struct FileRows {
    weight_type: WeightType,
    row_len: usize,
    n_rows: usize,
}

impl FileRows {
    fn stored(self, bytes: Buffer<u8>, is_packed: bool) -> Part {
        Part {
            bytes,
            weight_type: self.weight_type,
            n_rows: self.n_rows,
            is_packed,
        }
    }
}

/// Whether two parts, one after the other, are packed as one: of one type, and the first ends with
/// a tile.
fn are_joined(
    (first, first_type): (&MatrixPart, WeightType),
    (_, second_type): (&MatrixPart, WeightType),
    row_len: usize,
) -> bool {
    first_type == second_type
        && can_be_packed(first_type, row_len)
        && first.n_rows.is_multiple_of(TILE_ROWS)
}

/// Gates and ups of a matrix that stacks them, in one part or in two.
fn halves(source: &MatrixSource) -> (&[u8], &[u8]) {
    match &source.parts[..] {
        [gates, ups] => (&gates.bytes, &ups.bytes),
        parts => {
            let both: &[u8] = &parts[0].bytes;
            both.split_at(both.len() / 2)
        }
    }
}

/// Bytes that a tensor takes on the device.
pub(super) fn device_bytes(tensor: &TensorView<'_>) -> u64 {
    if tensor.dims().len() == 1 {
        // Vectors are expanded.
        return 4 * tensor.n_elements() as u64;
    }
    let (n_rows, row_len) = (tensor.n_rows(), tensor.row_len());
    let weight_type = WeightType::from_gguf(tensor.tensor_type().id());
    let packed = weight_type
        .filter(|weight_type| can_be_packed(*weight_type, row_len))
        .and_then(|weight_type| PackedWeight::bytes(weight_type, n_rows, row_len, RowOrder::Plain));
    packed.map_or(tensor.bytes().len() as u64, |bytes| bytes as u64)
}

/// Whether the matrix units take rows of this type and length: those of models, but not every one.
fn can_be_packed(weight_type: WeightType, row_len: usize) -> bool {
    weight_type.unit_bytes().is_some() && row_len.is_multiple_of(4)
}

/// How a part is stored.
fn weight_type(part: &MatrixPart) -> Result<WeightType> {
    WeightType::from_gguf(part.tensor_type.id()).ok_or_else(|| Error::UnsupportedTensorType {
        name: part.name.clone(),
        tensor_type: part.tensor_type.name(),
    })
}
