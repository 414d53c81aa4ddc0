//! What a step takes from the host, where the kernels read it.

use cuda_kernels::launch::Paging;
use cuda_kernels::{Arena, Buffer, MemoryClass, View};

use super::super::Outcome;
use crate::batch::Batch;
use crate::kv_cache::blocks_for;
use crate::plan::ExecutorOptions;

/// Tokens and rows of a step of any rows, and tables of one with a row for each sequence, at
/// addresses that stay.
pub(super) struct Inputs {
    tokens: Buffer<u32>,
    picks: Buffer<u32>,
    /// `[capacity]` where each row's block table begins, then the tables.
    tables: Buffer<u32>,
    capacity: usize,
    /// The tables as they were copied.
    copied: Vec<u32>,
    words: Vec<u32>,
}

impl Inputs {
    pub(super) fn new(arena: &mut Arena, options: &ExecutorOptions) -> Outcome<Self> {
        let blocks = blocks_for(options.context_length) * options.max_sequences;
        let capacity = options.max_outputs;
        Ok(Self {
            tokens: arena.zeroed(options.max_rows, MemoryClass::Scratch)?,
            picks: arena.zeroed(capacity, MemoryClass::Scratch)?,
            // Sequences may share blocks: each has a table of its own.
            tables: arena.zeroed(capacity + blocks.max(capacity), MemoryClass::Scratch)?,
            capacity,
            copied: Vec::new(),
            words: Vec::new(),
        })
    }

    /// Copies tokens and outputs of a batch.
    pub(super) fn set_rows(&mut self, batch: &Batch) -> Outcome<()> {
        self.tokens.write(0, batch.tokens())?;
        self.words.clear();
        let outputs = batch.outputs().iter().map(|&row| row as u32);
        self.words.extend(outputs);
        self.picks.write(0, &self.words)
    }

    /// Copies the tables of the sequences whose outputs are rows of their own, where they differ
    /// from those of the step before.
    pub(super) fn set_tables(&mut self, batch: &Batch) -> Outcome<()> {
        let words = &mut self.words;
        words.clear();
        words.resize(self.capacity, 0);
        let mut rows = batch.outputs().iter();
        let mut next = rows.next();
        let mut at = 0;
        for sequence in batch.sequences() {
            if next.is_some_and(|row| sequence.rows.contains(row)) {
                words[at] = (words.len() - self.capacity) as u32;
                words.extend_from_slice(&sequence.blocks);
                at += 1;
                next = rows.next();
            }
        }
        if *words != self.copied {
            self.copied.clear();
            self.tables.write(0, words)?;
            self.copied.clone_from(words);
        }
        Ok(())
    }

    pub(super) fn tokens(&self) -> View<'_, u32> {
        self.tokens.view()
    }

    pub(super) fn picks(&self) -> View<'_, u32> {
        self.picks.view()
    }

    /// The tables of rows at these positions.
    pub(super) fn paging<'a>(&'a self, positions: View<'a, u32>) -> Outcome<Paging<'a>> {
        let all = self.tables.view();
        Ok(Paging {
            positions,
            row_tables: all.range(0..self.capacity)?,
            block_tables: all.range(self.capacity..self.tables.len())?,
        })
    }
}
