//! The kernels of compute capability 9.0, and when they are faster.

use super::{PORTABLE_ROWS, PORTABLE_TILES, groups};
use crate::launch::PackedWeight;
use crate::launch::packed::GROUP;
use crate::modules::{Kernel, Kernels};
use crate::weight_type::WeightType;

/// Entry points of compute capability 9.0.
pub(crate) struct WideKernels {
    /// For each packed format with 128 rows at a time, then f16 with 256.
    pub(crate) gemm: [Kernel; 12],
    pub(crate) swiglu: [Kernel; 12],
}

/// Number of the f16 kernels with 256 rows at a time.
const F16_ROWS256: usize = 11;
pub(super) const THREADS: u32 = 384;
/// Tiles that a block takes.
const BLOCK_TILES: u32 = 8;
const SLAB_ROWS: u32 = 128;
/// Shared memory of the epilogue.
const SCRATCH_BYTES: usize = 20480;

/// What becomes of the sums.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Store,
    Accumulate,
    /// Two blocks share the channels of a group.
    Swiglu,
}

/// The kernel for a product.
pub(super) struct Wide {
    pub(super) kernel: Kernel,
    pub(super) blocks: u32,
    slabs: u32,
}

/// Size of a product.
struct Shape {
    n_rows: u32,
    n_tiles: u32,
    groups: u32,
    processors: u32,
}

/// Blocks of `slabs` x 128 rows.
fn blocks(shape: &Shape, work: Work, slabs: u32) -> u32 {
    let cluster = if work == Work::Swiglu { 2 } else { 1 };
    let blocks = shape.n_tiles.div_ceil(BLOCK_TILES * cluster) * cluster;
    blocks.saturating_mul(shape.n_rows.div_ceil(SLAB_ROWS * slabs))
}

/// Steps of a block's loop cost more where quants are decoded, more still with minima or blocks
/// of 16. The unit is a tenth of a microsecond on an H200, where these were measured.
fn group_cost(weight: &PackedWeight<'_>) -> u32 {
    use WeightType::{F16, Q3K, Q6K};
    match weight.weight_type {
        F16 => 9,
        Q3K | Q6K => 17,
        _ if weight.weight_type.has_minima() => 17,
        _ => 12,
    }
}

fn wide_cost(shape: &Shape, weight: &PackedWeight<'_>, work: Work, slabs: u32) -> u32 {
    let (group, tile) = match (slabs, work) {
        (2, Work::Store | Work::Swiglu) => (16, 50),
        (2, Work::Accumulate) => (16, 75),
        (_, Work::Store) => (group_cost(weight), 20),
        (_, Work::Accumulate) => (group_cost(weight), 40),
        (_, Work::Swiglu) => (group_cost(weight), 35),
    };
    let rounds = blocks(shape, work, slabs).div_ceil(shape.processors);
    rounds.saturating_mul(shape.groups * group + tile) + 20
}

fn portable_cost(shape: &Shape, weight: &PackedWeight<'_>) -> u32 {
    let rounds = shape.groups.div_ceil(8);
    let tiles = shape.n_tiles.div_ceil(PORTABLE_TILES);
    let blocks = tiles.saturating_mul(shape.n_rows.div_ceil(PORTABLE_ROWS));
    // A third of the processors' number of block rounds ends in a microsecond.
    let busy = blocks.saturating_mul(rounds).saturating_mul(30) / shape.processors;
    busy.max(rounds * 41)
        .saturating_mul(group_cost(weight) + 14)
        / 23
        + 20
}

impl Wide {
    /// The one that is fastest, unless the portable kernel is faster.
    pub(super) fn choose(
        kernels: &Kernels,
        weight: &PackedWeight<'_>,
        n_rows: usize,
        work: Work,
    ) -> Option<Self> {
        let wide = kernels.gemm_wide.as_ref()?;
        let index = weight.weight_type.packed_index()?;
        let shape = Shape {
            n_rows: u32::try_from(n_rows).ok()?,
            n_tiles: u32::try_from(weight.n_tiles()).ok()?,
            groups: u32::try_from(groups(weight)).ok()?,
            processors: kernels.device.info().n_multiprocessors.max(2),
        };
        let one = wide_cost(&shape, weight, work, 1);
        let has_two = weight.weight_type == WeightType::F16 && shape.n_rows > SLAB_ROWS;
        let slabs = if has_two && wide_cost(&shape, weight, work, 2) < one {
            2
        } else {
            1
        };
        if slabs == 1 && portable_cost(&shape, weight) <= one {
            return None;
        }
        let index = if slabs == 2 { F16_ROWS256 } else { index };
        let (kernel, most) = match work {
            Work::Swiglu => (wide.swiglu[index], shape.processors / 2 * 2),
            Work::Store | Work::Accumulate => (wide.gemm[index], shape.processors),
        };
        Some(Self {
            kernel,
            blocks: blocks(&shape, work, slabs).min(most),
            slabs,
        })
    }

    /// Shared memory, as `Stages` in `kernels/include/gemm_hopper.cuh` lays it out.
    pub(super) fn shared_bytes(&self, weight: &PackedWeight<'_>) -> usize {
        let unit = weight.weight_type.unit_bytes().unwrap_or(0);
        let a_bytes = (BLOCK_TILES as usize * unit).next_multiple_of(128);
        // Words of each row beside its values: the scale, and sums of some runs.
        let words = match weight.weight_type {
            WeightType::Q2K => 17,
            WeightType::Q4K | WeightType::Q5K => 5,
            _ if weight.weight_type.has_minima() => 9,
            _ => 1,
        };
        let b_bytes = SLAB_ROWS as usize * (GROUP * 2 + 4 * words);
        let (a_stages, b_stages) = match (weight.weight_type, self.slabs) {
            (WeightType::F16, 2) => (2, 4),
            (WeightType::F16, _) => (3, 3),
            _ => (4, 4),
        };
        let barriers = 2 * (a_stages + b_stages) + 2;
        a_stages * a_bytes + b_stages * b_bytes + SCRATCH_BYTES + barriers * 8
    }
}
