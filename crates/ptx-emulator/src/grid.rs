//! A launch: its blocks, spread over the threads of the host.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use crate::block::{self, Fault, Shared, Warp};
use crate::code::KernelCode;
use crate::memory::Memory;
use crate::rows::Place;

/// What is launched.
pub(crate) struct Grid<'a> {
    pub(crate) code: &'a KernelCode,
    pub(crate) args: &'a [u64],
    pub(crate) memory: &'a Memory,
    pub(crate) blocks: [u32; 3],
    pub(crate) threads: [u32; 3],
    pub(crate) dynamic_shared: u32,
    pub(crate) n_multiprocessors: u32,
}

impl Grid<'_> {
    /// Runs all blocks. Of several faults the one of the first block is told.
    pub(crate) fn run(&self) -> Result<(), Fault> {
        let n_blocks = self.blocks.iter().map(|&n| u64::from(n)).product::<u64>();
        let next = AtomicU64::new(0);
        let fault = Mutex::new(None);
        let n_hosts = thread::available_parallelism().map_or(1, usize::from);
        let work = || self.work(n_blocks, &next, &fault);
        if n_blocks == 1 || n_hosts == 1 {
            work();
        } else {
            thread::scope(|scope| {
                for _ in 1..n_hosts {
                    scope.spawn(work);
                }
                work();
            });
        }
        match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, fault)) => Err(fault),
            None => Ok(()),
        }
    }

    fn work(&self, n_blocks: u64, next: &AtomicU64, fault: &Mutex<Option<(u64, Fault)>>) {
        let mut warps: Vec<Warp> = Vec::new();
        let mut shared = Shared::new(self.code, self.args, self.memory);
        let dynamic_start = self.code.shared_bytes.next_multiple_of(128);
        loop {
            let i = next.fetch_add(1, Relaxed);
            if i >= n_blocks {
                return;
            }
            let [x, y, _] = self.blocks.map(u64::from);
            let block = [i % x, i / x % y, i / x / y].map(|n| n as u32);
            shared.reset((dynamic_start + self.dynamic_shared) as usize);
            let place = Place {
                grid: self.blocks,
                block_shape: self.threads,
                block,
                warp: 0,
                sm: (i % u64::from(self.n_multiprocessors)) as u32,
                dynamic_shared: dynamic_start,
            };
            if let Err(wrong) = block::run(&mut warps, &mut shared, place) {
                let wrong = format!("{}, block {block:?}, {wrong}", self.code.name);
                let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
                if fault.as_ref().is_none_or(|(first, _)| i < *first) {
                    *fault = Some((i, wrong));
                }
                next.store(n_blocks, Relaxed);
                return;
            }
        }
    }
}
