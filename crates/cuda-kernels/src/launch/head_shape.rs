//! Which entry point of the attention kernels takes heads of a width, and what it needs.

use super::{Launch, MAX_HEAD_DIM};
use crate::error::CudaError;
use crate::modules::{Kernel, Kernels};

/// Widths of heads that have an entry point.
pub(crate) const HEAD_SHAPES: usize = 7;

/// Entry points of a kernel for heads of several widths.
pub(crate) type PerHeadShape = [Kernel; HEAD_SHAPES];

/// An entry point.
#[derive(Clone, Copy)]
pub(super) struct HeadShape {
    /// Its place in a [`PerHeadShape`].
    index: usize,
    /// Channels that it works on, the model's own and zeros.
    pub(super) dim: usize,
}

impl HeadShape {
    /// For heads of `head_dim` channels, at most [`MAX_HEAD_DIM`].
    pub(super) fn of(head_dim: usize) -> Self {
        let (index, dim) = match head_dim {
            64 => (0, 64),
            80 => (1, 80),
            96 => (2, 96),
            128 => (3, 128),
            256 => (4, 256),
            ..=32 => (5, 32),
            _ => (6, MAX_HEAD_DIM),
        };
        Self { index, dim }
    }

    /// A launch of it.
    pub(super) fn launch<'a>(
        self,
        kernels: &'a Kernels,
        of: &PerHeadShape,
        head_dim: usize,
    ) -> Result<Launch<'a>, CudaError> {
        let launch = Launch::new(kernels, of[self.index]);
        launch.require(head_dim <= MAX_HEAD_DIM, || {
            format!("heads of {head_dim} channels, at most {MAX_HEAD_DIM}")
        })?;
        Ok(launch)
    }
}

/// What scores are multiplied by: weights are powers of two.
pub(super) fn score_scale(head_dim: usize) -> f32 {
    (std::f64::consts::LOG2_E / (head_dim as f64).sqrt()) as f32
}
