//! Memory of the device: allocations far apart, each of which knows what was written to it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

/// Where the first allocation lies.
const FIRST: u64 = 0x7f00_0000_0000;
/// What allocations are aligned to, and the least distance between two of them.
const ALIGNMENT: u64 = 512;

/// Bytes that were allocated together.
pub(crate) struct Allocation {
    pub(crate) start: u64,
    pub(crate) len: u64,
    words: Vec<AtomicU32>,
    /// For each word which of its bytes were written.
    written: Vec<AtomicU8>,
    all_written: AtomicBool,
}

/// All allocations, in the order of their addresses.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) allocations: Vec<Allocation>,
    next: u64,
    /// Held by operations on 64 bits.
    pub(crate) wide: Mutex<()>,
}

impl Allocation {
    fn word(&self, at: u64) -> usize {
        (at - self.start) as usize / 4
    }

    /// An aligned word, if all of it was written.
    #[inline(always)]
    pub(crate) fn load(&self, at: u64) -> Option<u32> {
        let i = self.word(at);
        let known = self.all_written.load(Relaxed) || self.written[i].load(Relaxed) == 15;
        known.then(|| self.words[i].load(Relaxed))
    }

    /// An aligned value of less than a word, if it was written.
    #[inline(always)]
    pub(crate) fn load_part(&self, at: u64, bytes: u64) -> Option<u32> {
        let (i, shift) = (self.word(at), at % 4);
        let needed = ((1 << bytes) - 1) << shift;
        let known = self.all_written.load(Relaxed)
            || u64::from(self.written[i].load(Relaxed)) & needed == needed;
        known.then(|| self.words[i].load(Relaxed) >> (8 * shift) & (u32::MAX >> (32 - 8 * bytes)))
    }

    #[inline(always)]
    pub(crate) fn store(&self, at: u64, value: u32) {
        let i = self.word(at);
        self.words[i].store(value, Relaxed);
        if !self.all_written.load(Relaxed) {
            self.written[i].store(15, Relaxed);
        }
    }

    pub(crate) fn store_part(&self, at: u64, bytes: u64, value: u32) {
        let (i, shift) = (self.word(at), at % 4);
        let mask = (u32::MAX >> (32 - 8 * bytes)) << (8 * shift);
        let put = |old: u32| Some(old & !mask | value << (8 * shift) & mask);
        let _ = self.words[i].fetch_update(Relaxed, Relaxed, put);
        let bits = ((1 << bytes) - 1) << shift;
        self.written[i].fetch_or(bits as u8, Relaxed);
    }

    /// The word itself, for atomic operations, if it was written.
    pub(crate) fn atomic(&self, at: u64) -> Option<&AtomicU32> {
        self.load(at).map(|_| &self.words[self.word(at)])
    }
}

impl Memory {
    pub(crate) fn alloc(&mut self, len: usize) -> u64 {
        let start = self.next.max(FIRST);
        self.next = (start + len as u64).next_multiple_of(ALIGNMENT) + ALIGNMENT;
        let n_words = len.div_ceil(4);
        self.allocations.push(Allocation {
            start,
            len: len as u64,
            words: bytemuck::zeroed_vec(n_words),
            written: bytemuck::zeroed_vec(n_words),
            all_written: AtomicBool::new(false),
        });
        start
    }

    /// Whether there was such an allocation.
    pub(crate) fn free(&mut self, start: u64) -> bool {
        let at = self.allocations.iter().position(|a| a.start == start);
        at.map(|at| self.allocations.remove(at)).is_some()
    }

    pub(crate) fn used(&self) -> u64 {
        self.allocations.iter().map(|a| a.len).sum()
    }

    /// The allocation that covers a range, given a guess of its number, which is corrected.
    #[inline(always)]
    pub(crate) fn find(&self, at: u64, bytes: u64, guess: &mut usize) -> Option<&Allocation> {
        let covers = |a: &&Allocation| at >= a.start && at - a.start + bytes <= a.len;
        if let Some(a) = self.allocations.get(*guess).filter(covers) {
            return Some(a);
        }
        let after = self.allocations.partition_point(|a| a.start <= at);
        *guess = after.checked_sub(1)?;
        self.allocations.get(*guess).filter(covers)
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Option<()> {
        let a = self.find(at, bytes.len() as u64, &mut 0)?;
        let head = ((4 - at % 4) % 4).min(bytes.len() as u64) as usize;
        let mut at = at;
        let (head, body) = bytes.split_at(head);
        for &byte in head {
            a.store_part(at, 1, byte.into());
            at += 1;
        }
        let chunks = body.chunks_exact(4);
        let tail = chunks.remainder();
        for chunk in chunks {
            a.store(
                at,
                u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]),
            );
            at += 4;
        }
        for &byte in tail {
            a.store_part(at, 1, byte.into());
            at += 1;
        }
        if bytes.len() as u64 == a.len {
            a.all_written.store(true, Relaxed);
        }
        Some(())
    }

    pub(crate) fn read(&self, at: u64, bytes: &mut [u8]) -> Option<()> {
        let a = self.find(at, bytes.len() as u64, &mut 0)?;
        for (i, byte) in bytes.iter_mut().enumerate() {
            let at = at + i as u64;
            *byte = (a.words[a.word(at)].load(Relaxed) >> (8 * (at % 4))) as u8;
        }
        Some(())
    }

    /// Copies bytes, and whether they were written.
    pub(crate) fn copy(&self, to: u64, from: u64, bytes: usize) -> Option<()> {
        let source = self.find(from, bytes as u64, &mut 0)?;
        let target = self.find(to, bytes as u64, &mut 0)?;
        if (to | from | bytes as u64).is_multiple_of(4) {
            for i in (0..bytes as u64).step_by(4) {
                if let Some(value) = source.load(from + i) {
                    target.store(to + i, value);
                }
            }
            return Some(());
        }
        let mut copied = vec![0; bytes];
        self.read(from, &mut copied)?;
        self.write(to, &copied)
    }
}
