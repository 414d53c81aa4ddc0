//! How fast memory can be read.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// Reads all of `words` once: `out[t]` = xor of the words that thread `t` reads.
pub struct ReadBandwidth<'a> {
    /// A multiple of 4 words.
    pub words: View<'a, u32>,
    /// A word for each thread: a multiple of [`ReadBandwidth::THREADS`].
    pub out: ViewMut<'a, u32>,
}

impl ReadBandwidth<'_> {
    /// Threads of a block.
    pub const THREADS: usize = 256;

    /// Launches it.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<LaunchCost, CudaError> {
        let launch = Launch::new(kernels, kernels.read_bandwidth);
        let (n_words, n_threads) = (self.words.len, self.out.len);
        launch.require(n_words.is_multiple_of(4), || {
            format!("{n_words} words are no multiple of 4")
        })?;
        launch.require(n_threads.is_multiple_of(Self::THREADS), || {
            format!("{n_threads} threads are no multiple of {}", Self::THREADS)
        })?;
        launch.aligned("words", self.words.at)?;
        let blocks = launch.dim("blocks", n_threads / Self::THREADS)?;
        let cost = LaunchCost {
            bytes: floats(n_words) + floats(n_threads),
            flops: 0,
        };
        let n_vectors = Arg::U64(n_words as u64 / 4);
        let args = [ptr(self.words), ptr_mut(&self.out), n_vectors];
        launch.run([blocks, 1, 1], Self::THREADS as u32, &args, cost)
    }
}
