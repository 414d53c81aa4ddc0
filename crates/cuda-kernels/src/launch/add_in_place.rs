//! Adds one buffer to another.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// `out[i] = out[i] + x[i]`.
pub struct AddInPlace<'a> {
    /// `[len]`
    pub x: View<'a, f32>,
    /// `[len]`
    pub out: ViewMut<'a, f32>,
    /// Values.
    pub len: usize,
}

const THREADS: u32 = 256;

impl AddInPlace<'_> {
    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.add_in_place);
        let len = launch.dim("len", self.len)?;
        launch.holds("x", self.x.len, &[self.len])?;
        launch.holds("out", self.out.len, &[self.len])?;
        let cost = LaunchCost {
            bytes: 3 * floats(self.len),
            flops: self.len as u64,
        };
        let args = [ptr(self.x), ptr_mut(&self.out), Arg::U32(len)];
        launch.run([len.div_ceil(THREADS), 1, 1], THREADS, &args, cost)
    }
}
