//! The next token of each row.

use super::{Launch, LaunchCost, floats, ptr, ptr_mut};
use crate::buffer::{View, ViewMut};
use crate::driver::Arg;
use crate::error::CudaError;
use crate::modules::Kernels;

/// How the token of a row is chosen. The kernel reads it from device memory: a recorded launch
/// serves every request. The default is a row left alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SampleParams {
    /// 0: the largest logit.
    pub temperature: f32,
    /// At most [`Sample::MAX_TOP_K`]; 0: all.
    pub top_k: u32,
    /// 1: all.
    pub top_p: f32,
    /// Logarithm of min-p; -inf: all.
    pub min_p_log: f32,
    /// 1: off.
    pub repetition_penalty: f32,
    /// 0: off.
    pub presence_penalty: f32,
    /// 0: off.
    pub frequency_penalty: f32,
    /// Key of the random numbers, low word first.
    pub seed: [u32; 2],
    /// The row's table in [`Sample::counts`], which it shares with none; [`Sample::NONE`]: no
    /// penalties.
    pub counts: u32,
    /// Log probabilities: the token's and of this many most likely ones, at most
    /// [`Sample::MAX_LOGPROBS`]; [`Sample::NONE`]: none.
    pub n_logprobs: u32,
    /// 0: the row is left alone.
    pub is_active: u32,
}

/// What a row carries from step to step.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SampleState {
    /// Steps so far, which choose the slot of the result.
    pub step: u32,
    /// 1: some logit was not finite; the row chooses no more tokens.
    pub is_failed: u32,
}

/// What a step chose for a row.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SampleResult {
    /// The token; [`Sample::NONE`] in a failed row.
    pub id: u32,
    /// Its log probability under the logits as given, if asked for.
    pub logprob: f32,
    /// Logits of this step that are NaN or infinite.
    pub non_finite: u32,
    /// Of the token.
    pub position: u32,
    /// The most likely tokens, as many as asked for and as there are, most likely first.
    pub top_ids: [u32; Sample::MAX_LOGPROBS],
    /// Theirs.
    pub top_logprobs: [f32; Sample::MAX_LOGPROBS],
}

/// Chooses a token for each row, and leaves token and position where the next step reads them.
pub struct Sample<'a> {
    /// Logits, `[n_rows][width]`
    pub x: View<'a, f32>,
    /// `[n_rows]`
    pub params: View<'a, SampleParams>,
    /// Tables of `width`: occurrences of each id in the output, and [`Sample::IN_PROMPT`]. The
    /// token chosen is counted.
    pub counts: ViewMut<'a, u32>,
    /// `[n_rows]`
    pub states: ViewMut<'a, SampleState>,
    /// `[Sample::scratch_len(n_rows, width)]`, zeroed once.
    pub scratch: ViewMut<'a, u64>,
    /// `[n_rows]`: the tokens chosen; 0 in a failed row.
    pub tokens: ViewMut<'a, u32>,
    /// `[n_rows]`: in, positions of the tokens whose logits these are; out, of those chosen.
    pub positions: ViewMut<'a, u32>,
    /// `[n_slots][n_rows]`: a row's step `s` goes to slot `s % n_slots`.
    pub results: ViewMut<'a, SampleResult>,
    /// Rows.
    pub n_rows: usize,
    /// Logits of a row.
    pub width: usize,
    /// Steps whose results are kept.
    pub n_slots: usize,
}

const SCAN_THREADS: u32 = 256;
const PICK_THREADS: u32 = 512;
const WARP: u32 = 32;
/// Values of a warp.
const GROUP_WIDTH: usize = 128;
const N_BINS: usize = 512;
/// Blocks that share the rows, about: as many as a large device has processors.
const PICK_BLOCKS: u32 = 132;

impl Sample<'_> {
    /// Largest top-k.
    pub const MAX_TOP_K: usize = 256;
    /// Most log probabilities besides the chosen token's.
    pub const MAX_LOGPROBS: usize = 20;
    /// Largest vocabulary.
    pub const MAX_WIDTH: usize = 4096 * GROUP_WIDTH;
    /// No token, no table, no log probabilities.
    pub const NONE: u32 = u32::MAX;
    /// In a table: the prompt has this id.
    pub const IN_PROMPT: u32 = 1 << 31;

    /// Words of scratch memory that a launch needs.
    pub fn scratch_len(n_rows: usize, width: usize) -> usize {
        let row = 3 * width.div_ceil(GROUP_WIDTH) + 2 * N_BINS + 1;
        n_rows.saturating_mul(row)
    }

    /// Launches it: a scan of the logits, then the choice.
    ///
    /// # Errors
    /// [`CudaError::Shape`], [`CudaError::Launch`].
    pub fn launch(self, kernels: &Kernels) -> Result<[LaunchCost; 2], CudaError> {
        let scan = Launch::new(kernels, kernels.sample_scan).chained();
        let [n_rows, width, n_slots] = self.check(&scan)?;
        let n_groups = width.div_ceil(GROUP_WIDTH as u32);
        let cost = LaunchCost {
            bytes: floats(self.n_rows * self.width),
            flops: 0,
        };
        let args = [
            ptr(self.x),
            ptr(self.params),
            ptr_mut(&self.counts),
            ptr_mut(&self.scratch),
            Arg::U32(width),
        ];
        let n_blocks = n_groups.div_ceil(SCAN_THREADS / WARP);
        let scanned = scan.run([n_blocks, n_rows, 1], SCAN_THREADS, &args, cost)?;

        let pick = Launch::new(kernels, kernels.sample_pick).chained();
        let cost = LaunchCost {
            bytes: (self.n_rows * size_of::<SampleResult>()) as u64,
            flops: 0,
        };
        let args = [
            ptr(self.x),
            ptr(self.params),
            ptr_mut(&self.counts),
            ptr_mut(&self.states),
            ptr_mut(&self.scratch),
            ptr_mut(&self.tokens),
            ptr_mut(&self.positions),
            ptr_mut(&self.results),
            Arg::U32(width),
            Arg::U32(n_slots),
        ];
        let most = n_groups.div_ceil(PICK_THREADS / WARP);
        let n_blocks = PICK_BLOCKS.div_ceil(n_rows).min(most);
        let picked = pick.run([n_blocks, n_rows, 1], PICK_THREADS, &args, cost)?;
        Ok([scanned, picked])
    }

    fn check(&self, launch: &Launch<'_>) -> Result<[u32; 3], CudaError> {
        let dims = [
            launch.dim("n_rows", self.n_rows)?,
            launch.dim("width", self.width)?,
            launch.dim("n_slots", self.n_slots)?,
        ];
        let (n_rows, width) = (self.n_rows, self.width);
        launch.require(width <= Self::MAX_WIDTH, || {
            format!("width is {width}, more than {}", Self::MAX_WIDTH)
        })?;
        launch.holds("x", self.x.len, &[n_rows, width])?;
        launch.holds("params", self.params.len, &[n_rows])?;
        launch.require(self.counts.len.is_multiple_of(width), || {
            format!("{} counts are not tables of {width}", self.counts.len)
        })?;
        launch.holds("states", self.states.len, &[n_rows])?;
        let scratch_len = Self::scratch_len(n_rows, width);
        launch.holds("scratch", self.scratch.len, &[scratch_len])?;
        launch.holds("tokens", self.tokens.len, &[n_rows])?;
        launch.holds("positions", self.positions.len, &[n_rows])?;
        launch.holds("results", self.results.len, &[self.n_slots, n_rows])?;
        Ok(dims)
    }
}
