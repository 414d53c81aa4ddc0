//! From the file's rows to units.

use super::{Launch, LaunchCost, PackedWeight, RowOrder, Weight, ptr, ptr_mut};
use crate::buffer::ViewMut;
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;
use crate::weight_type::WeightType;

/// What is packed.
#[derive(Clone, Copy)]
pub enum RepackRows<'a> {
    /// The rows of a weight.
    Plain(Weight<'a>),
    /// The rows of two weights of one shape and type, as [`RowOrder::Paired`].
    Paired {
        /// The first half.
        gate: Weight<'a>,
        /// The second half.
        up: Weight<'a>,
    },
}

/// Packs a weight without loss. A slice of a weight can be packed alone if it begins at a multiple
/// of 16 rows (of 8 rows of each half, if paired): its units are neighbours.
pub struct Repack<'a> {
    /// As the file stores them.
    pub rows: RepackRows<'a>,
    /// [`PackedWeight::bytes`] of them.
    pub units: ViewMut<'a, u8>,
}

const THREADS: u32 = 256;

impl Repack<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let (first, second) = match self.rows {
            RepackRows::Plain(rows) => (rows, None),
            RepackRows::Paired { gate, up } => (gate, Some(up)),
        };
        let Weight {
            weight_type,
            n_rows,
            row_len,
            ..
        } = first;
        // A type that cannot be packed is refused under some kernel's name.
        let index = weight_type.packed_index().unwrap_or(0);
        let launch = Launch::new(kernels, kernels.repack[index]);
        launch.packable(&first)?;
        let first_rows = launch.dim("n_rows", n_rows)?;
        let width = launch.dim("row_len", row_len)?;
        let row_bytes = weight_type.row_bytes(row_len).unwrap_or(0);
        let (second_at, second_rows, tile_step) = match second {
            Some(up) => {
                launch.require(same_shape(&first, &up), || {
                    "gate and up are not of one shape and type".to_owned()
                })?;
                launch.packable(&up)?;
                (ptr(up.bytes), first_rows, 8)
            }
            None if n_rows > 8 => {
                let rest = first.bytes.range(8 * row_bytes..n_rows * row_bytes)?;
                (ptr(rest), first_rows - 8, 16)
            }
            None => (ptr(first.bytes), 0, 16),
        };
        let (all_rows, order) = match second {
            Some(_) => (2 * n_rows, RowOrder::Paired),
            None => (n_rows, RowOrder::Plain),
        };
        let bytes = PackedWeight::bytes(weight_type, all_rows, row_len, order).unwrap_or(0);
        launch.holds("units", self.units.len, &[bytes])?;
        launch.aligned("units", self.units.at)?;
        let cost = LaunchCost {
            bytes: (all_rows * row_bytes + bytes) as u64,
            flops: 0,
        };
        let args = [
            ptr(first.bytes),
            second_at,
            ptr_mut(&self.units),
            Arg::U32(first_rows),
            Arg::U32(second_rows),
            Arg::U32(tile_step),
            Arg::U32(width),
        ];
        let grid = [first_rows.div_ceil(tile_step), width.div_ceil(128), 1];
        launch.run(grid, THREADS, &args, cost)
    }
}

fn same_shape(a: &Weight<'_>, b: &Weight<'_>) -> bool {
    let shape =
        |w: &Weight<'_>| -> (WeightType, usize, usize) { (w.weight_type, w.n_rows, w.row_len) };
    shape(a) == shape(b)
}
