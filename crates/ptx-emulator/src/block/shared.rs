//! What the warps of a block share: memory and barriers.

use std::collections::HashMap;

use super::Fault;
use crate::code::KernelCode;
use crate::memory::Memory;

#[derive(Clone, Copy, Default)]
pub(super) struct Barrier {
    pub(super) arrived: u32,
    pub(super) expected: Option<u32>,
    pub(super) votes: u32,
    pub(super) result: u32,
    pub(super) passed: u32,
}

/// A barrier in shared memory.
#[derive(Clone, Copy)]
pub(crate) struct MemoryBarrier {
    pub(crate) expected: u32,
    pub(crate) pending: u32,
    pub(crate) phase: u32,
}

/// What the warps of a block share.
pub(crate) struct Shared<'a> {
    pub(crate) code: &'a KernelCode,
    pub(crate) args: &'a [u64],
    pub(crate) memory: &'a Memory,
    pub(crate) guess: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) mbarriers: HashMap<u64, MemoryBarrier>,
    pub(super) barriers: [Barrier; 16],
    pub(super) n_alive: u32,
    pub(crate) progress: u64,
    pub(crate) clock: u32,
}

impl Shared<'_> {
    pub(super) fn arrive(
        &mut self,
        id: usize,
        count: u32,
        expected: Option<u32>,
    ) -> Result<u32, Fault> {
        let barrier = self
            .barriers
            .get_mut(id)
            .ok_or("a barrier of no such number")?;
        barrier.arrived += count;
        barrier.expected = expected;
        let before = barrier.passed;
        self.progress += 1;
        self.release();
        Ok(before)
    }

    pub(super) fn release(&mut self) {
        for barrier in &mut self.barriers {
            let needed = barrier.expected.unwrap_or(self.n_alive);
            if barrier.arrived > 0 && barrier.arrived >= needed {
                barrier.arrived = 0;
                barrier.passed += 1;
                barrier.result = std::mem::take(&mut barrier.votes);
            }
        }
    }
}

impl<'a> Shared<'a> {
    pub(crate) fn new(code: &'a KernelCode, args: &'a [u64], memory: &'a Memory) -> Self {
        Self {
            code,
            args,
            memory,
            guess: 0,
            bytes: Vec::new(),
            mbarriers: HashMap::new(),
            barriers: [Barrier::default(); 16],
            n_alive: 0,
            progress: 0,
            clock: 0,
        }
    }

    /// Makes it that of a new block.
    pub(crate) fn reset(&mut self, bytes: usize) {
        // No number, as a float and as halves: kernels may load what was never written, not use it.
        self.bytes.clear();
        self.bytes.extend([0xff, 0x7f].iter().cycle().take(bytes));
        self.mbarriers.clear();
        self.barriers = [Barrier::default(); 16];
    }
}
