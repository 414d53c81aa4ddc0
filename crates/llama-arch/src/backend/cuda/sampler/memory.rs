//! Memory of the device's sampler.

use cuda_kernels::launch::{Sample, SampleParams, SampleResult, SampleState};
use cuda_kernels::{Arena, Buffer, MemoryClass};

use super::super::Outcome;
use super::N_SLOTS;

/// Device memory of a sampler, for each row.
pub(in super::super) struct SamplerMemory {
    pub(super) params: Buffer<SampleParams>,
    /// A table of the vocabulary for each row: recorded launches know where it is, so that it is
    /// there from the start.
    pub(super) counts: Buffer<u32>,
    pub(super) states: Buffer<SampleState>,
    pub(super) scratch: Buffer<u64>,
    pub(super) tokens: Buffer<u32>,
    pub(super) positions: Buffer<u32>,
    pub(super) results: Buffer<SampleResult>,
}

impl SamplerMemory {
    pub(in super::super) fn new(arena: &mut Arena, max_rows: usize, vocab: usize) -> Outcome<Self> {
        let class = MemoryClass::Scratch;
        Ok(Self {
            params: arena.zeroed(max_rows, class)?,
            counts: arena.zeroed(max_rows * vocab, class)?,
            states: arena.zeroed(max_rows, class)?,
            scratch: arena.zeroed(Sample::scratch_len(max_rows, vocab), class)?,
            tokens: arena.zeroed(max_rows, class)?,
            positions: arena.zeroed(max_rows, class)?,
            results: arena.zeroed(N_SLOTS * max_rows, class)?,
        })
    }
}
