//! Rows of a packed embedding table.

use super::{Launch, LaunchCost, PackedWeight, RowOrder, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// As [`Embed`](super::Embed), with the same bits, from a table that was packed in plain order.
pub struct EmbedPacked<'a> {
    /// The table, or a part of it.
    pub table: PackedWeight<'a>,
    /// Token of its first row.
    pub first_token: usize,
    /// `[n_rows]`
    pub tokens: View<'a, u32>,
    /// `[n_rows][table.row_len]`
    pub out: ViewMut<'a, f32>,
    /// Rows.
    pub n_rows: usize,
}

const THREADS: u32 = 128;

impl EmbedPacked<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let PackedWeight {
            weight_type,
            row_len,
            ..
        } = self.table;
        // A type that cannot be packed is refused under some kernel's name.
        let index = weight_type.packed_index().unwrap_or(0);
        let launch = Launch::new(kernels, kernels.embed_packed[index]);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let width = launch.dim("row_len", row_len)?;
        let n_tokens = launch.dim("rows of the table", self.table.n_rows)?;
        let past_last = launch.dim("the last token", self.first_token + self.table.n_rows)?;
        launch.packed(&self.table)?;
        launch.require(self.table.order == RowOrder::Plain, || {
            "the rows of the table are paired".to_owned()
        })?;
        launch.holds("tokens", self.tokens.len, &[self.n_rows])?;
        launch.holds("out", self.out.len, &[self.n_rows, row_len])?;
        let row_bytes = weight_type.row_bytes(row_len).unwrap_or(0);
        let cost = LaunchCost {
            bytes: floats(self.n_rows * (row_len + 1)) + (self.n_rows * row_bytes) as u64,
            flops: 0,
        };
        let args = [
            ptr(self.table.units),
            ptr(self.tokens),
            ptr_mut(&self.out),
            Arg::U32(past_last - n_tokens),
            Arg::U32(n_tokens),
            Arg::U32(width),
        ];
        launch.run([n_rows, 1, 1], THREADS, &args, cost)
    }
}
