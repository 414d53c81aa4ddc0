//! Packed weights times many rows.

mod wide;

pub(crate) use self::wide::WideKernels;
use self::wide::{Wide, Work};
use super::pack_rows::{PackRows, PackSource, holds_packed, packed_rows_bytes};
use super::packed::GROUP;
use super::{Epilogue, Launch, LaunchCost, NULL, PackedWeight, RowOrder, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// Values of a weight's gate or up rows; 0 if it is not paired.
fn ffn(weight: &PackedWeight<'_>) -> usize {
    match weight.order {
        RowOrder::Plain => 0,
        RowOrder::Paired => weight.n_rows / 2,
    }
}

fn groups(weight: &PackedWeight<'_>) -> usize {
    weight.row_len.div_ceil(GROUP)
}

/// `out[r][first_output + o] = sum over k of weight[o][k] * x[r][k]` for packed rows. The bits of
/// a row do not depend on the other rows, nor on their number.
pub struct Gemm<'a> {
    /// The weights, or a part of them: those below go to other columns of `out`.
    pub weight: PackedWeight<'a>,
    /// [`packed_rows_bytes`] for `[n_rows][weight.row_len]`
    pub x: View<'a, u8>,
    /// `[n_rows][out_width]`
    pub out: ViewMut<'a, f32>,
    /// Rows of `x` and `out`.
    pub n_rows: usize,
    /// Column of `out` for the first row of `weight`.
    pub first_output: usize,
    /// Columns of `out`.
    pub out_width: usize,
    /// What becomes of the sums.
    pub epilogue: Epilogue<'a>,
}

/// Packed rows of `silu(gate) * up`, gate and up being the products of a paired weight.
pub struct GemmSwiglu<'a> {
    /// The weights, paired.
    pub weight: PackedWeight<'a>,
    /// [`packed_rows_bytes`] for `[n_rows][weight.row_len]`
    pub x: View<'a, u8>,
    /// [`packed_rows_bytes`] for `[n_rows][weight.n_rows / 2]`
    pub out: ViewMut<'a, u8>,
    /// `[n_rows][weight.n_rows / 2]`, for devices and batches without a fused kernel.
    pub scratch: ViewMut<'a, f32>,
    /// Whether the sums of `out` are needed: the blocks of the weight that it
    /// meets next have minima.
    pub with_sums: bool,
    /// Rows of `x` and `out`.
    pub n_rows: usize,
}

const PORTABLE_THREADS: u32 = 256;
/// Tiles and rows that a block of the portable kernel takes.
const PORTABLE_TILES: u32 = 2;
const PORTABLE_ROWS: u32 = 32;
/// What the kernels call their epilogues; only the portable one knows the last.
const STORE: u32 = 0;
const ACCUMULATE: u32 = 1;
const SWIGLU: u32 = 2;

/// Dimensions as the kernels take them, checked.
struct Dims {
    n_rows: u32,
    groups: u32,
    n_tiles: u32,
    ffn: u32,
    n_outputs: u32,
}

fn dims(
    launch: &Launch<'_>,
    weight: &PackedWeight<'_>,
    x: View<'_, u8>,
    n_rows: usize,
) -> Result<Dims, CudaError> {
    let dims = Dims {
        n_rows: launch.dim("n_rows", n_rows)?,
        n_outputs: launch.dim("outputs", weight.n_rows)?,
        groups: launch.dim("groups", groups(weight))?,
        n_tiles: launch.dim("tiles", weight.n_tiles())?,
        ffn: ffn(weight) as u32,
    };
    launch.packed(weight)?;
    holds_packed(launch, "x", x.len, n_rows, weight.row_len)?;
    launch.aligned("x", x.at)?;
    Ok(dims)
}

fn cost(weight: &PackedWeight<'_>, n_rows: usize, out_bytes: usize) -> LaunchCost {
    let x = packed_rows_bytes(n_rows, weight.row_len).min(n_rows * groups(weight) * GROUP * 2);
    LaunchCost {
        bytes: (weight.units.len + x + out_bytes) as u64,
        flops: 2 * n_rows as u64 * weight.n_rows as u64 * weight.row_len as u64,
    }
}

impl Gemm<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let weight = self.weight;
        let work = match self.epilogue {
            Epilogue::Accumulate => Work::Accumulate,
            Epilogue::Store | Epilogue::Bias(_) => Work::Store,
        };
        let wide = Wide::choose(kernels, &weight, self.n_rows, work);
        let portable = kernels.gemm_portable[weight.weight_type.packed_index().unwrap_or(0)];
        let kernel = wide.as_ref().map_or(portable, |wide| wide.kernel);
        let launch = Launch::new(kernels, kernel);
        let dims = dims(&launch, &weight, self.x, self.n_rows)?;
        launch.holds("out", self.out.len, &[self.n_rows, self.out_width])?;
        let (first, width, outputs) = (self.first_output, self.out_width, weight.n_rows);
        launch.require(first.saturating_add(outputs) <= width, || {
            format!("{outputs} outputs from column {first} on of {width}")
        })?;
        let (bias, epilogue) = match self.epilogue {
            Epilogue::Store => (NULL, STORE),
            Epilogue::Bias(bias) => {
                launch.holds("bias", bias.len, &[outputs])?;
                (ptr(bias), STORE)
            }
            Epilogue::Accumulate => (NULL, ACCUMULATE),
        };
        let out_width = launch.dim("out_width", width)?;
        let out = self.out.range(first..self.n_rows * width)?;
        let args = f32_args(
            &dims,
            [ptr(weight.units), ptr(self.x), bias, ptr_mut(&out)],
            out_width,
            epilogue,
        );
        let cost = cost(&weight, self.n_rows, floats(self.n_rows * outputs) as usize);
        match wide {
            Some(wide) => {
                let launch = launch.shared(wide.shared_bytes(&weight)).chained();
                launch.run([wide.blocks, 1, 1], wide::THREADS, &args, cost)
            }
            None => launch.run(portable_grid(&dims), PORTABLE_THREADS, &args, cost),
        }
    }
}

/// Arguments of the kernels that write f32.
fn f32_args(
    dims: &Dims,
    [units, x, bias, out]: [Arg; 4],
    out_width: u32,
    epilogue: u32,
) -> [Arg; 11] {
    [
        units,
        x,
        bias,
        out,
        Arg::U32(dims.n_rows),
        Arg::U32(dims.groups),
        Arg::U32(dims.n_tiles),
        Arg::U32(dims.n_outputs),
        Arg::U32(dims.ffn),
        Arg::U32(out_width),
        Arg::U32(epilogue),
    ]
}

fn portable_grid(dims: &Dims) -> [u32; 3] {
    [
        dims.n_tiles.div_ceil(PORTABLE_TILES),
        dims.n_rows.div_ceil(PORTABLE_ROWS),
        1,
    ]
}

impl GemmSwiglu<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let weight = self.weight;
        let wide = Wide::choose(kernels, &weight, self.n_rows, Work::Swiglu);
        let portable = kernels.gemm_portable[weight.weight_type.packed_index().unwrap_or(0)];
        let kernel = wide.as_ref().map_or(portable, |wide| wide.kernel);
        let launch = Launch::new(kernels, kernel);
        let dims = dims(&launch, &weight, self.x, self.n_rows)?;
        launch.require(weight.order == RowOrder::Paired, || {
            "the weight is not paired".to_owned()
        })?;
        let ffn = ffn(&weight);
        holds_packed(&launch, "out", self.out.len, self.n_rows, ffn)?;
        launch.aligned("out", self.out.at)?;
        launch.holds("scratch", self.scratch.len, &[self.n_rows, ffn])?;
        let cost = cost(&weight, self.n_rows, self.n_rows * ffn * 2);
        let Some(wide) = wide else {
            return self.unfused(kernels, &launch, &dims, cost);
        };
        let args = [
            ptr(weight.units),
            ptr(self.x),
            ptr_mut(&self.out),
            Arg::U32(dims.n_rows),
            Arg::U32(dims.groups),
            Arg::U32(dims.n_tiles),
            Arg::U32(dims.ffn),
            Arg::U32(u32::from(self.with_sums)),
        ];
        let launch = launch.shared(wide.shared_bytes(&weight)).chained();
        launch.run([wide.blocks, 1, 1], wide::THREADS, &args, cost)
    }

    fn unfused(
        self,
        kernels: &Kernels,
        launch: &Launch<'_>,
        dims: &Dims,
        cost: LaunchCost,
    ) -> Result<LaunchCost, CudaError> {
        let weight = self.weight;
        let pointers = [ptr(weight.units), ptr(self.x), NULL, ptr_mut(&self.scratch)];
        let args = f32_args(dims, pointers, dims.ffn, SWIGLU);
        launch.run(portable_grid(dims), PORTABLE_THREADS, &args, cost)?;
        let pack = PackRows {
            source: PackSource::Rows(self.scratch.as_view()),
            out: self.out,
            n_rows: self.n_rows,
            width: ffn(&weight),
        };
        pack.launch(kernels)?;
        Ok(cost)
    }
}
