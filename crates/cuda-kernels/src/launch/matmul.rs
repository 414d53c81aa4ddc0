//! Weights times activations.

use super::{Launch, LaunchCost, NULL, Weight, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// What becomes of a sum.
#[derive(Clone, Copy)]
pub enum Epilogue<'a> {
    /// It is the result.
    Store,
    /// This is added to it: `[weight.n_rows]`.
    Bias(View<'a, f32>),
    /// It is added to what `out` holds.
    Accumulate,
}

/// `out[r][first_output + o] = sum over i of weight[o][i] * x[r][i]`, in an order that depends on
/// `row_len` alone.
pub struct Matmul<'a> {
    /// The weights, or a part of them: those below go to other columns of `out`.
    pub weight: Weight<'a>,
    /// `[n_rows][weight.row_len]`
    pub x: View<'a, f32>,
    /// `[n_rows][out_width]`
    pub out: ViewMut<'a, f32>,
    /// Rows of `x` and `out`.
    pub n_rows: usize,
    /// Column of `out` for the first row of `weight`, and columns in all.
    pub first_output: usize,
    /// Columns of `out`.
    pub out_width: usize,
    /// What becomes of the sums.
    pub epilogue: Epilogue<'a>,
}

const THREADS: u32 = 128;
/// One warp for each output.
const OUTPUTS_PER_BLOCK: u32 = THREADS / 32;
/// Rows that share the decoded weights.
const TILE: u32 = 8;

impl Matmul<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let Weight {
            weight_type,
            n_rows: n_outputs,
            row_len,
            ..
        } = self.weight;
        let (variants, tile) = match self.n_rows {
            1 => (&kernels.matmul_rows1, 1),
            _ => (&kernels.matmul_rows8, TILE),
        };
        let launch = Launch::new(kernels, variants[weight_type as usize]);
        let n_rows = launch.dim("n_rows", self.n_rows)?;
        let outputs = launch.dim("outputs", n_outputs)?;
        let width = launch.dim("row_len", row_len)?;
        let out_stride = launch.dim("out_width", self.out_width)?;
        launch.weight(&self.weight)?;
        launch.holds("x", self.x.len, &[self.n_rows, row_len])?;
        launch.aligned("x", self.x.at)?;
        launch.holds("out", self.out.len, &[self.n_rows, self.out_width])?;
        let Self {
            first_output,
            out_width,
            ..
        } = self;
        launch.require(first_output.saturating_add(n_outputs) <= out_width, || {
            format!("{n_outputs} outputs from column {first_output} on of {out_width}")
        })?;
        let (bias, accumulate) = match self.epilogue {
            Epilogue::Store => (NULL, 0),
            Epilogue::Bias(bias) => {
                launch.holds("bias", bias.len, &[n_outputs])?;
                (ptr(bias), 0)
            }
            Epilogue::Accumulate => (NULL, 1),
        };
        let out = self.out.range(first_output..self.n_rows * out_width)?;
        let row_bytes = weight_type.row_bytes(row_len).unwrap_or(0);
        let cost = LaunchCost {
            bytes: (n_outputs * row_bytes) as u64 + floats(self.n_rows * (row_len + n_outputs)),
            flops: 2 * self.n_rows as u64 * n_outputs as u64 * row_len as u64,
        };
        let args = [
            ptr(self.weight.bytes),
            bias,
            ptr(self.x),
            ptr_mut(&out),
            Arg::U32(n_rows),
            Arg::U32(width),
            Arg::U32(outputs),
            Arg::U32(out_stride),
            Arg::U32(accumulate),
        ];
        let grid = [
            outputs.div_ceil(OUTPUTS_PER_BLOCK),
            n_rows.div_ceil(tile),
            1,
        ];
        launch.run(grid, THREADS, &args, cost)
    }
}
