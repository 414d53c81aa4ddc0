//! Feeds sequences to a backend in one way or another; which way must not show.

use std::fmt::Debug;

use llama_arch::backend::{AttentionShape, Backend};
use llama_arch::batch::{Batch, Outputs};
use llama_arch::kv_cache::{BLOCK_POSITIONS, KvLayout, blocks_for};
use llama_arch::rope::RopeTable;

use crate::cases::Rng;
use crate::harness::{Case, Report, input, output, same_bits, updated};
use crate::naive;
use crate::rope_append::as_half;

/// Positions of a sequence, and how many of the last ones attend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sequence {
    pub(super) len: usize,
    pub(super) queries: usize,
}

/// How the same rows are fed.
#[derive(Clone, Copy)]
struct Feed {
    /// Rows of each sequence in one batch.
    chunk: usize,
    /// Which blocks the sequences get.
    seed: u64,
    /// Whether the last sequence comes first.
    reversed: bool,
}

impl Feed {
    /// All rows at once.
    fn whole(seed: u64) -> Self {
        Self {
            chunk: usize::MAX,
            seed,
            reversed: false,
        }
    }
}

/// Sequences that share a cache.
pub(super) struct Setup {
    pub(super) shape: AttentionShape,
    pub(super) sequences: Vec<Sequence>,
    /// `[len][qkv_width]` of every sequence.
    pub(super) qkv: Vec<Vec<f32>>,
    pub(super) rope: RopeTable,
}

impl Setup {
    /// What every attending row must give, sequence by sequence; `turn` is RoPE.
    pub(super) fn expected(&self, turn: impl Fn(&[f32], usize) -> Vec<f64>) -> Vec<f64> {
        let (q_width, kv_width) = (self.shape.q_width(), self.shape.kv_width());
        let mut expected = Vec::new();
        for (sequence, qkv) in self.sequences.iter().zip(&self.qkv) {
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            for (at, row) in qkv.chunks_exact(self.shape.qkv_width()).enumerate() {
                let turned = turn(row, at);
                let (q, kv) = turned.split_at(q_width);
                let halves = |x: &[f64]| -> Vec<f64> {
                    x.iter().map(|&x| f64::from(as_half(x as f32))).collect()
                };
                keys.push(halves(&kv[..kv_width]));
                values.push(halves(&kv[kv_width..]));
                if at + sequence.queries >= sequence.len {
                    expected.extend(naive::attention(q, (&keys, &values), &self.shape));
                }
            }
        }
        expected
    }

    pub(super) fn check<B: Backend>(
        &self,
        backends: &[Vec<B>],
        report: &mut Report,
        (data, expected, bar): (&dyn Debug, Vec<f64>, f64),
    ) {
        let Self {
            sequences, shape, ..
        } = self;
        let label = format!("{data:?}, {sequences:?}, {shape:?}");
        let case = Case {
            label,
            width: shape.head_dim,
            expected,
            bar,
        };
        report.check_variants(backends, &case, |backend, is_first| {
            let whole = self.run(backend, Feed::whole(1));
            if is_first {
                // One by one only where that is soon done.
                let longest = sequences.iter().map(|sequence| sequence.len).max().unwrap();
                for chunk in [if longest < 100 { 1 } else { 100 }, BLOCK_POSITIONS + 1] {
                    let feed = Feed {
                        chunk,
                        seed: chunk as u64,
                        reversed: chunk > 1,
                    };
                    let fed = self.run(backend, feed);
                    assert!(same_bits(&fed, &whole), "chunks of {chunk} show");
                }
                let alone: Vec<f32> = (0..sequences.len())
                    .flat_map(|only| {
                        let (sequences, qkv) =
                            (vec![sequences[only]], vec![self.qkv[only].clone()]);
                        let setup = Setup {
                            sequences,
                            qkv,
                            rope: self.rope.clone(),
                            ..*self
                        };
                        setup.run(backend, Feed::whole(5))
                    })
                    .collect();
                assert!(same_bits(&alone, &whole), "sequences see each other");
            }
            whole
        });
    }

    /// Feeds every row and returns the outputs of those that attend, sequence by sequence.
    fn run<B: Backend>(&self, backend: &B, feed: Feed) -> Vec<f32> {
        let (width, tables) = (self.shape.qkv_width(), self.block_tables(feed.seed));
        let mut cache = self.used_cache(backend, &tables);
        let rope = backend.rope(self.rope.clone()).unwrap();
        let mut out = vec![Vec::new(); self.sequences.len()];
        let mut done = vec![0; self.sequences.len()];
        loop {
            let mut order: Vec<usize> = (0..self.sequences.len()).collect();
            if feed.reversed {
                order.reverse();
            }
            let attending = (0..).zip(&done).all(|(i, &done)| done >= self.before(i));
            let (mut batch, mut values, mut fed) = (Batch::new(), Vec::new(), Vec::new());
            for i in order {
                let end = if attending {
                    self.sequences[i].len
                } else {
                    self.before(i)
                };
                let rows = done[i]..end.min(done[i].saturating_add(feed.chunk)).max(done[i]);
                if !rows.is_empty() {
                    batch.push(&vec![0; rows.len()], rows.start, &tables[i], Outputs::None);
                    values.extend(&self.qkv[i][rows.start * width..rows.end * width]);
                    fed.push((i, rows.len()));
                    done[i] = rows.end;
                }
            }
            if fed.is_empty() {
                return out.concat();
            }
            let step = (&batch, &self.shape);
            let attended = self.step(backend, (&rope, &mut cache), &values, (step, attending));
            let mut attended = attended.as_slice();
            for (i, n_rows) in fed.into_iter().filter(|_| attending) {
                let (of_sequence, rest) = attended.split_at(n_rows * self.shape.q_width());
                out[i].extend(of_sequence);
                attended = rest;
            }
        }
    }

    fn step<B: Backend>(
        &self,
        backend: &B,
        (rope, cache): (&B::Rope, &mut B::KvCache),
        values: &[f32],
        (step, attending): ((&Batch, &AttentionShape), bool),
    ) -> Vec<f32> {
        let width = self.shape.qkv_width();
        // Another layer with the same rows upside down: layers must not mix.
        let mirrored: Vec<f32> = values.iter().map(|value| -value).collect();
        let mut other = input(backend, &mirrored, width);
        backend
            .rope_append(&mut other, rope, cache, 0, step)
            .unwrap();
        let mut attended = Vec::new();
        updated(backend, values, width, |qkv| {
            backend.rope_append(qkv, rope, cache, 1, step).unwrap();
            if attending {
                let size = (step.0.tokens().len(), self.shape.q_width());
                attended = output(backend, size, |out| {
                    backend.attention(qkv, cache, 1, step, out).unwrap();
                });
            }
        });
        attended
    }

    /// Positions of a sequence before its first attending one.
    fn before(&self, sequence: usize) -> usize {
        self.sequences[sequence].len - self.sequences[sequence].queries
    }

    /// Scattered blocks for every sequence, and some that belong to none.
    fn block_tables(&self, seed: u64) -> Vec<Vec<u32>> {
        let needed = |sequence: &Sequence| blocks_for(sequence.len);
        let n_blocks = self.sequences.iter().map(needed).sum::<usize>() + 3;
        let mut ids: Vec<u32> = (0..n_blocks as u32).collect();
        Rng::new(seed).shuffle(&mut ids);
        let mut ids = ids.into_iter();
        let tables = self.sequences.iter();
        tables
            .map(|sequence| ids.by_ref().take(needed(sequence)).collect())
            .collect()
    }

    /// A cache whose last blocks of every sequence are full of the NaNs that another sequence left
    /// there: not even a weight of 0 may touch them.
    fn used_cache<B: Backend>(&self, backend: &B, tables: &[Vec<u32>]) -> B::KvCache {
        let shape = &self.shape;
        let layout = KvLayout {
            n_layers: 2,
            n_kv_heads: shape.n_kv_heads,
            head_dim: shape.head_dim,
            n_blocks: tables.iter().map(Vec::len).sum::<usize>() + 3,
        };
        let mut cache = backend.kv_cache(&layout).unwrap();
        let mut batch = Batch::new();
        for table in tables {
            batch.push(
                &[0; BLOCK_POSITIONS],
                0,
                &table[table.len() - 1..],
                Outputs::None,
            );
        }
        let angles = BLOCK_POSITIONS * shape.rope_dims / 2;
        let n_pairs = shape.rope_dims / 2;
        let rope = RopeTable {
            cos: vec![1.0; angles],
            sin: vec![0.0; angles],
            n_pairs,
        };
        let rope = backend.rope(rope).unwrap();
        let left = vec![f32::NAN; batch.tokens().len() * shape.qkv_width()];
        let mut left = input(backend, &left, shape.qkv_width());
        backend
            .rope_append(&mut left, &rope, &mut cache, 1, (&batch, shape))
            .unwrap();
        cache
    }
}
