//! Products of quantised weights with activations rounded to integers ([`activations`]).
//!
//! For each 128 channels, in order, a weight row and an activation row give
//!
//! ```text
//! total = 0
//! for each f32 scale of the weights there (1 in K formats, 4 in the others):
//!     total = fma(scale, sum of weight * quant, total)
//!     total = fma(minimum scale, sum of minimum * (sum of quants), total)    if it has minima
//! sum = fma(activation scale, total, sum)
//! ```
//!
//! with weights times their integer scales as `weight`; then what rounding left of the same 128
//! activations, if it counts, likewise. Sums of integers are exact: the kernels for few rows and
//! for many (`few`, `many`) add in different orders, on registers of different width, as words and
//! as bytes, and give the same bits.

#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "only the kernels read what is rounded")
)]
pub(super) mod activations;
#[cfg(target_arch = "x86_64")]
mod few;
#[cfg(target_arch = "x86_64")]
mod formats;
#[cfg(target_arch = "x86_64")]
mod kernels;
#[cfg(target_arch = "x86_64")]
mod many;
#[cfg(target_arch = "x86_64")]
mod products;
#[cfg(target_arch = "x86_64")]
mod words;

use self::activations::Activations;
use super::aligned::AlignedVec;
use super::matmul::RowTask;

/// What multiplies rows of a weight format with rounded activations.
#[derive(Clone, Copy)]
pub(super) struct IntegerKernels {
    /// With up to [`MAX_FEW`] rows of them.
    pub(super) few: fn(&RowTask<'_>, &Activations),
    /// With any number; the task has up to [`PANEL`] weight rows.
    pub(super) many: fn(&RowTask<'_>, &Activations, &mut AlignedVec),
}

/// Most activation rows of one pass over packed weights; with more, panels pay.
pub(super) const MAX_FEW: usize = 4;
/// Weight rows of a panel: several registers of any instruction set.
pub(super) const PANEL: usize = 64;
/// Weight rows that are multiplied together at most when there are few activation rows.
pub(super) const MAX_LANES: usize = 16;

#[cfg(target_arch = "x86_64")]
pub(super) use self::kernels::integer_kernels;

/// There are none yet.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn integer_kernels(
    _isa: super::kernels::Isa,
    _tensor_type: gguf::TensorType,
) -> Option<IntegerKernels> {
    None
}
