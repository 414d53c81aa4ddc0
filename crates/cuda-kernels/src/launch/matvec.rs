//! Packed weights times a few rows of activations, with what stands before and after.

mod plan;

use self::plan::{Means, Plan, Shape, Width};
use super::packed::{GROUP, TILE_ROWS};
use super::{Launch, LaunchCost, NULL, PackedWeight, RowOrder, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::{Kernel, Kernels};
use crate::weight_type::WeightType;

/// Rows that one launch takes.
pub const MAX_MATVEC_ROWS: usize = 16;
/// Weights that one launch takes.
const MAX_PARTS: usize = 3;

/// RMSNorm of the rows before they are multiplied, with the bits of [`RmsNorm`](super::RmsNorm).
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    /// `[row_len]`
    pub weight: View<'a, f32>,
    /// Added to the mean of the squares.
    pub eps: f32,
}

/// What [`Matvec::max_rows`] depends on, of a stack.
#[derive(Clone, Copy)]
pub struct MatvecShape {
    /// Outputs of all weights.
    pub n_outputs: usize,
    /// Channels of a row.
    pub row_len: usize,
    /// Whether the rows are normed before.
    pub is_normed: bool,
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub enum MatvecEpilogue<'a> {
    /// They are the result.
    Store,
    /// This is added: `[outputs]`.
    Bias(View<'a, f32>),
    /// They are added to what `out` holds.
    Accumulate,
    /// Of a paired weight: `silu(gate) * up`, half as many results.
    SwiGlu,
}

/// `out[r][o] = sum over i of weight[o][i] * x[r][i]` for up to [`Matvec::max_rows`] rows. The
/// outputs of all weights of the stack stand one after the other. A row gives the same bits in any
/// batch.
pub struct Matvec<'a> {
    /// One to three weights of one row length, of any formats; a paired one stands alone.
    pub stack: &'a [PackedWeight<'a>],
    /// What is done to the rows of `x` before.
    pub norm: Option<Norm<'a>>,
    /// `[n_rows][row_len]`
    pub x: View<'a, f32>,
    /// `[n_rows][out_width]`: results begin at its first column.
    pub out: ViewMut<'a, f32>,
    /// Rows of `x` and `out`.
    pub n_rows: usize,
    /// Columns of `out`.
    pub out_width: usize,
    /// What becomes of the sums.
    pub epilogue: MatvecEpilogue<'a>,
    /// Whether it may begin before the launch before has ended, as in a chain of kernels. Nothing
    /// that is under way may then write its weights or those of its norm.
    pub is_chained: bool,
}

impl Matvec<'_> {
    /// How many rows of activations a launch should take at most, for weights of any format with
    /// rows of this length and as many outputs: [`MAX_MATVEC_ROWS`], or fewer where what a block
    /// must keep of long rows does not fit its memory. It depends on the device besides.
    pub fn max_rows(kernels: &Kernels, product: MatvecShape) -> usize {
        let means = Self::means(kernels);
        let units = WeightType::ALL
            .into_iter()
            .filter_map(WeightType::unit_bytes);
        let unit_bytes = units.max().unwrap_or(0);
        let suits = |&n_rows: &usize| {
            let shape = Shape {
                n_tiles: product.n_outputs.div_ceil(TILE_ROWS),
                n_groups: product.row_len.div_ceil(GROUP),
                unit_bytes,
                n_rows,
                is_normed: product.is_normed,
            };
            Plan::new(&shape, &means).is_some_and(|plan| plan.packs_once())
        };
        (1..=MAX_MATVEC_ROWS).rev().find(suits).unwrap_or(0)
    }

    fn means(kernels: &Kernels) -> Means {
        Means {
            n_multiprocessors: kernels.device.info().n_multiprocessors as usize,
            shared_bytes: kernels.matvec[0].max_shared_bytes as usize,
            has_clusters: kernels.device.info().compute_capability >= (9, 0),
        }
    }

    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let narrow = Launch::new(kernels, self.kernel(kernels, Width::Narrow));
        let shape = self.check(&narrow)?;
        let means = Self::means(kernels);
        let Some(plan) = Plan::new(&shape, &means) else {
            let most = means.shared_bytes;
            narrow.require(false, || {
                format!("no part of it fits {most} bytes of shared memory")
            })?;
            return Ok(LaunchCost::default());
        };
        let launch = Launch::new(kernels, self.kernel(kernels, plan.width));
        let launch = launch.shared(plan.shared_bytes);
        let launch = launch.clustered(plan.width.n_ranks() as u32);
        let launch = if self.is_chained {
            launch.chained()
        } else {
            launch
        };
        let args = self.args(&launch, &plan)?;
        let grid = [launch.dim("blocks", plan.n_blocks)?, 1, 1];
        let threads = launch.dim("threads", (plan.takers + 1) * 32)?;
        launch.run(grid, threads, &args, self.cost())
    }

    fn kernel(&self, kernels: &Kernels, width: Width) -> Kernel {
        let by_rows = match width {
            Width::Narrow | Width::Split => &kernels.matvec,
            Width::Wide => &kernels.matvec_wide,
        };
        match self.n_rows {
            0 | 1 => by_rows[0],
            2..=8 => by_rows[1],
            _ => by_rows[2],
        }
    }

    fn row_len(&self) -> usize {
        self.stack.first().map_or(0, |part| part.row_len)
    }

    fn is_paired(&self) -> bool {
        let mut orders = self.stack.iter().map(|part| part.order);
        orders.any(|order| order == RowOrder::Paired)
    }

    /// Sums of a row.
    fn n_sums(&self) -> usize {
        self.stack.iter().map(|part| part.n_rows).sum()
    }

    /// Results of a row.
    fn n_outputs(&self) -> usize {
        match self.epilogue {
            MatvecEpilogue::SwiGlu => self.n_sums() / 2,
            _ => self.n_sums(),
        }
    }

    fn check(&self, launch: &Launch<'_>) -> Result<Shape, CudaError> {
        let Self { n_rows, .. } = *self;
        launch.dim("n_rows", n_rows)?;
        launch.require(n_rows <= MAX_MATVEC_ROWS, || {
            format!("{n_rows} rows, more than {MAX_MATVEC_ROWS}")
        })?;
        let (n_parts, row_len) = (self.stack.len(), self.row_len());
        launch.require((1..=MAX_PARTS).contains(&n_parts), || {
            format!("a stack of {n_parts} weights")
        })?;
        launch.dim("row_len", row_len)?;
        launch.require(row_len.is_multiple_of(4), || {
            format!("rows of {row_len} values, which 4 does not divide")
        })?;
        for part in self.stack {
            launch.dim("rows of the weight", part.n_rows)?;
            launch.packed(part)?;
            launch.require(part.row_len == row_len, || {
                format!("rows of {} and {row_len} values in a stack", part.row_len)
            })?;
        }
        let is_paired = self.is_paired();
        launch.require(!is_paired || n_parts == 1, || {
            "a paired weight in a stack of several".to_owned()
        })?;
        let is_swiglu = matches!(self.epilogue, MatvecEpilogue::SwiGlu);
        launch.require(is_paired || !is_swiglu, || {
            "SwiGLU of a weight that is not paired".to_owned()
        })?;
        launch.holds("x", self.x.len, &[n_rows, row_len])?;
        launch.aligned("x", self.x.at)?;
        if let Some(norm) = self.norm {
            launch.holds("the norm's weight", norm.weight.len, &[row_len])?;
            launch.aligned("the norm's weight", norm.weight.at)?;
        }
        if let MatvecEpilogue::Bias(bias) = self.epilogue {
            launch.holds("bias", bias.len, &[self.n_sums()])?;
        }
        let (n_outputs, out_width) = (self.n_outputs(), self.out_width);
        launch.require(n_outputs <= out_width, || {
            format!("{n_outputs} outputs in {out_width} columns")
        })?;
        launch.holds("out", self.out.len, &[n_rows, out_width])?;
        let unit_bytes = self.stack.iter().map(|part| part.weight_type.unit_bytes());
        Ok(Shape {
            n_tiles: self.stack.iter().map(PackedWeight::n_tiles).sum(),
            n_groups: row_len.div_ceil(GROUP),
            unit_bytes: unit_bytes.flatten().max().unwrap_or(0),
            n_rows,
            is_normed: self.norm.is_some(),
        })
    }

    /// The arguments of the entry point, in order.
    fn args(&self, launch: &Launch<'_>, plan: &Plan) -> Result<Vec<Arg>, CudaError> {
        let dim = |value: usize| u32::try_from(value).map(Arg::U32);
        let (bias, epilogue) = match self.epilogue {
            MatvecEpilogue::Store => (NULL, 0),
            MatvecEpilogue::Bias(bias) => (ptr(bias), 1),
            MatvecEpilogue::Accumulate => (NULL, 2),
            MatvecEpilogue::SwiGlu => (NULL, 3),
        };
        let (norm_weight, eps) = match self.norm {
            Some(norm) => (ptr(norm.weight), norm.eps),
            None => (NULL, 0.0),
        };
        let mut args = vec![ptr(self.x), norm_weight, bias, ptr_mut(&self.out)];
        let part = |i: usize| self.stack.get(i);
        args.extend((0..MAX_PARTS).map(|i| part(i).map_or(NULL, |part| ptr(part.units))));
        args.extend((0..MAX_PARTS).map(|i| Arg::U32(part(i).map_or(0, kind))));
        let n_pairs = if self.is_paired() {
            self.n_sums() / 2
        } else {
            0
        };
        let has_minima = self.stack.iter().any(|part| part.weight_type.has_minima());
        let rows_log2 = self.n_rows.next_power_of_two().trailing_zeros() as usize;
        let dims = [
            self.n_rows,
            rows_log2,
            self.row_len(),
            self.out_width,
            n_pairs,
            epilogue,
            plan.depth,
            plan.stage_bytes,
            plan.chunk,
            plan.tile_warps,
            plan.block_tiles,
            plan.larger_blocks,
            plan.batch,
            plan.keep,
            usize::from(has_minima),
        ];
        let outputs = (0..MAX_PARTS).map(|i| dim(part(i).map_or(0, |part| part.n_rows)));
        let numbers: Result<Vec<Arg>, _> = outputs.chain(dims.into_iter().map(dim)).collect();
        launch.require(numbers.is_ok(), || "a dimension beyond 2^32 - 1".to_owned())?;
        let mut numbers = numbers.unwrap_or_default();
        numbers.insert(MAX_PARTS.min(numbers.len()), Arg::F32(eps));
        args.extend(numbers);
        Ok(args)
    }

    fn cost(&self) -> LaunchCost {
        let (n_rows, row_len) = (self.n_rows, self.row_len());
        let units: usize = self.stack.iter().map(|part| units_bytes(part)).sum();
        LaunchCost {
            bytes: units as u64 + floats(n_rows * (row_len + self.n_outputs())),
            flops: 2 * n_rows as u64 * self.n_sums() as u64 * row_len as u64,
        }
    }
}

fn units_bytes(part: &PackedWeight<'_>) -> usize {
    PackedWeight::bytes(part.weight_type, part.n_rows, part.row_len, part.order).unwrap_or(0)
}

/// The number of a format with the bytes of its units, as the kernel takes them.
fn kind(part: &PackedWeight<'_>) -> u32 {
    let unit_bytes = part.weight_type.unit_bytes().unwrap_or(0) as u32;
    part.weight_type as u32 | unit_bytes << 8
}
