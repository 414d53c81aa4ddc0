//! Attention of prompts over a cache in disorder.

use cuda_kernels::launch::{AttentionPrefill, BLOCK_POSITIONS, Heads, Paging, prefill_tiles};
use cuda_kernels::{Buffer, Kernels, f16};

use super::support::{Guarded, Random, assert_close, assert_same, kernels};

/// Positions in a sequence, at the borders of blocks and splits.
const POSITIONS: [u32; 11] = [0, 1, 30, 31, 32, 254, 255, 256, 300, 511, 700];
const N_BLOCKS: usize = 60;
/// Two sequences of at most 704 positions.
const TABLE_LEN: usize = 22;

pub(crate) struct Case {
    pub(crate) heads: Heads,
    pub(crate) window: Option<usize>,
    pub(crate) qkv: Vec<f32>,
    pub(crate) keys: Vec<f16>,
    pub(crate) values: Vec<f16>,
    pub(crate) positions: Vec<u32>,
    pub(crate) row_tables: Vec<u32>,
    pub(crate) block_tables: Vec<u32>,
}

pub(crate) struct OnDevice {
    pub(crate) keys: Buffer<f16>,
    pub(crate) values: Buffer<f16>,
    pub(crate) block_tables: Buffer<u32>,
}

impl Case {
    pub(crate) fn new(heads: Heads, window: Option<usize>, seed: u64) -> Self {
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

    pub(crate) fn upload(&self, kernels: &Kernels) -> OnDevice {
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
        let (positions, row_tables) = (pick(&self.positions), pick(&self.row_tables));
        let tiles = prefill_tiles(&positions, &row_tables, self.heads.head_dim);
        let n_tiles = tiles.len() / 2;
        let [positions, row_tables, tiles] =
            [positions, row_tables, tiles].map(|ids| device.upload(&ids).unwrap());
        let q_width = self.heads.n_heads * self.heads.head_dim;
        let mut out = Guarded::new(device, rows.len() * q_width);
        let launch = AttentionPrefill {
            qkv: qkv.view(),
            rope: None,
            keys: cache.keys.view(),
            values: cache.values.view(),
            paging: Paging {
                positions: positions.view(),
                row_tables: row_tables.view(),
                block_tables: cache.block_tables.view(),
            },
            tiles: tiles.view(),
            out: out.buffer.view_mut(),
            heads: self.heads,
            window: self.window,
            n_rows: rows.len(),
            n_tiles,
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
        // Keys of a position are neighbours, values of a channel are.
        let channels = |cache: &[f16], position: usize, strides: [usize; 2]| -> Vec<f64> {
            let entry = self.row_tables[row] as usize + position / BLOCK_POSITIONS;
            let block = self.block_tables[entry] as usize;
            let head = &cache[(block * n_kv_heads + kv_head) * BLOCK_POSITIONS * head_dim..];
            let slot = position % BLOCK_POSITIONS * strides[0];
            let value = |channel: usize| head[slot + channel * strides[1]].to_f64();
            (0..head_dim).map(value).collect()
        };
        let scores: Vec<f64> = (start..end)
            .map(|position| {
                let key = channels(&self.keys, position, [head_dim, 1]);
                let dot: f64 = query.iter().zip(key).map(|(&q, k)| f64::from(q) * k).sum();
                dot / (head_dim as f64).sqrt()
            })
            .collect();
        let largest = scores.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut out = vec![0.0; head_dim];
        for (position, weight) in (start..end).zip(weights) {
            let values = channels(&self.values, position, [1, BLOCK_POSITIONS]);
            for (out, value) in out.iter_mut().zip(values) {
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
            assert_close(&found, &expected, 1e-6, &name);
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

#[test]
fn chunks_of_any_size_give_the_same_bits() {
    let Some(kernels) = kernels() else { return };
    for (head_dim, window) in [
        (64, None),
        (96, Some(100)),
        (96, None),
        (128, None),
        (33, None),
    ] {
        let heads = Heads {
            n_heads: 4,
            n_kv_heads: 2,
            head_dim,
        };
        let mut case = Case::new(heads, window, 14);
        let n_rows = 300;
        case.positions = (0..n_rows as u32).collect();
        case.row_tables = vec![0; n_rows];
        case.qkv = Random(15).floats(n_rows * heads.qkv_width());
        let cache = case.upload(&kernels);
        let rows: Vec<usize> = (0..n_rows).collect();
        let whole = case.run(&kernels, &cache, &rows);
        for chunk in [1, 33, 256] {
            let found: Vec<f32> = rows
                .chunks(chunk)
                .flat_map(|rows| case.run(&kernels, &cache, rows))
                .collect();
            assert_same(&found, &whole, &format!("{heads:?}, chunks of {chunk}"));
        }
    }
}
