//! Attention over a cache in disorder.

use cuda_kernels::launch::{Attention, BLOCK_POSITIONS, Heads, Paging};
use cuda_kernels::{Buffer, Kernels, f16};

use super::support::{Guarded, Random, assert_close, assert_same, kernels};

/// Positions in a sequence, at the borders of blocks and splits.
const POSITIONS: [u32; 11] = [0, 1, 30, 31, 32, 254, 255, 256, 300, 511, 700];
const N_BLOCKS: usize = 60;
/// Two sequences of at most 704 positions.
const TABLE_LEN: usize = 22;

struct Case {
    heads: Heads,
    window: Option<usize>,
    qkv: Vec<f32>,
    keys: Vec<f16>,
    values: Vec<f16>,
    positions: Vec<u32>,
    row_tables: Vec<u32>,
    block_tables: Vec<u32>,
}

struct OnDevice {
    keys: Buffer<f16>,
    values: Buffer<f16>,
    block_tables: Buffer<u32>,
}

impl Case {
    fn new(heads: Heads, window: Option<usize>, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut blocks: Vec<u32> = (0..N_BLOCKS as u32).collect();
        for i in (1..N_BLOCKS).rev() {
            blocks.swap(i, random.below(i + 1));
        }
        let positions = POSITIONS.repeat(2);
        let mut qkv = random.floats(positions.len() * heads.qkv_width());
        // Large enough that some positions outweigh others.
        qkv.iter_mut().for_each(|q| *q *= 4.0);
        let mut cache = || {
            let values = random.floats(N_BLOCKS * heads.block_len());
            values.into_iter().map(f16::from_f32).collect()
        };
        let (keys, values) = (cache(), cache());
        let table = |row| {
            if row < POSITIONS.len() {
                0
            } else {
                TABLE_LEN as u32
            }
        };
        Self {
            heads,
            window,
            qkv,
            keys,
            values,
            row_tables: (0..positions.len()).map(table).collect(),
            block_tables: blocks[..2 * TABLE_LEN].to_vec(),
            positions,
        }
    }

    fn upload(&self, kernels: &Kernels) -> OnDevice {
        let device = kernels.device();
        OnDevice {
            keys: device.upload(&self.keys).unwrap(),
            values: device.upload(&self.values).unwrap(),
            block_tables: device.upload(&self.block_tables).unwrap(),
        }
    }

    fn run(&self, kernels: &Kernels, cache: &OnDevice, rows: &[usize]) -> Vec<f32> {
        let device = kernels.device();
        let width = self.heads.qkv_width();
        let qkv: Vec<f32> = rows
            .iter()
            .flat_map(|&row| self.qkv[row * width..][..width].to_vec())
            .collect();
        let pick = |ids: &[u32]| rows.iter().map(|&row| ids[row]).collect::<Vec<_>>();
        let qkv = device.upload(&qkv).unwrap();
        let positions = device.upload(&pick(&self.positions)).unwrap();
        let row_tables = device.upload(&pick(&self.row_tables)).unwrap();
        let q_width = self.heads.n_heads * self.heads.head_dim;
        let mut out = Guarded::new(device, rows.len() * q_width);
        let launch = Attention {
            qkv: qkv.view(),
            keys: cache.keys.view(),
            values: cache.values.view(),
            paging: Paging {
                positions: positions.view(),
                row_tables: row_tables.view(),
                block_tables: cache.block_tables.view(),
            },
            out: out.buffer.view_mut(),
            heads: self.heads,
            window: self.window,
            n_rows: rows.len(),
        };
        launch.launch(kernels).unwrap();
        out.read()
    }

    /// One head of one row, in f64.
    fn reference(&self, row: usize, head: usize) -> Vec<f64> {
        let Heads {
            n_heads,
            n_kv_heads,
            head_dim,
        } = self.heads;
        let kv_head = head / (n_heads / n_kv_heads);
        let query = &self.qkv[row * self.heads.qkv_width() + head * head_dim..][..head_dim];
        let end = self.positions[row] as usize + 1;
        let start = self.window.map_or(0, |window| end.saturating_sub(window));
        let channels = |cache: &[f16], position: usize| -> Vec<f64> {
            let entry = self.row_tables[row] as usize + position / BLOCK_POSITIONS;
            let block = self.block_tables[entry] as usize;
            let slot = (block * n_kv_heads + kv_head) * BLOCK_POSITIONS;
            let at = (slot + position % BLOCK_POSITIONS) * head_dim;
            cache[at..at + head_dim]
                .iter()
                .map(|v| v.to_f64())
                .collect()
        };
        let scores: Vec<f64> = (start..end)
            .map(|position| {
                let key = channels(&self.keys, position);
                let dot: f64 = query.iter().zip(key).map(|(&q, k)| f64::from(q) * k).sum();
                dot / (head_dim as f64).sqrt()
            })
            .collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut out = vec![0.0; head_dim];
        for (position, weight) in (start..end).zip(weights) {
            for (out, value) in out.iter_mut().zip(channels(&self.values, position)) {
                *out += weight / total * value;
            }
        }
        out
    }
}

const SHAPES: [(usize, usize, usize); 8] = [
    (14, 2, 64),
    (4, 4, 96),
    (3, 1, 80),
    (8, 1, 128),
    (2, 2, 256),
    (2, 1, 20),
    (3, 3, 1),
    (4, 2, 33),
];

#[test]
fn every_shape_and_window() {
    let Some(kernels) = kernels() else { return };
    for (n_heads, n_kv_heads, head_dim) in SHAPES {
        let heads = Heads {
            n_heads,
            n_kv_heads,
            head_dim,
        };
        for window in [None, Some(1), Some(33), Some(256), Some(600)] {
            let case = &Case::new(heads, window, 12);
            let rows: Vec<usize> = (0..case.positions.len()).collect();
            let found = case.run(&kernels, &case.upload(&kernels), &rows);
            let all_heads = |row| (0..n_heads).flat_map(move |head| case.reference(row, head));
            let expected: Vec<f64> = rows.iter().flat_map(|&row| all_heads(row)).collect();
            let name = format!("{heads:?}, window {window:?}");
            assert_close(&found, &expected, 1e-10, &name);
        }
    }
}

#[test]
fn a_row_alone_has_the_bits_of_a_row_in_a_batch() {
    let Some(kernels) = kernels() else { return };
    let heads = Heads {
        n_heads: 14,
        n_kv_heads: 2,
        head_dim: 64,
    };
    let case = Case::new(heads, None, 13);
    let cache = case.upload(&kernels);
    let rows: Vec<usize> = (0..case.positions.len()).collect();
    let together = case.run(&kernels, &cache, &rows);
    let alone = rows
        .iter()
        .flat_map(|&row| case.run(&kernels, &cache, &[row]));
    assert_same(&alone.collect::<Vec<_>>(), &together, "one by one");
    let again = case.run(&kernels, &cache, &rows);
    assert_same(&again, &together, "again");
}
