//! RoPE and the cache.

use cuda_kernels::f16;
use cuda_kernels::launch::{BLOCK_POSITIONS, Heads, Paging, Rope, RopeAppend, RopePairing};

use super::support::{Guarded, Random, assert_close, assert_same, kernels};

const N_POSITIONS: usize = 200;
const N_BLOCKS: usize = 9;
const BLOCK_TABLES: [u32; 8] = [3, 8, 0, 5, 1, 7, 2, 6];

/// Positions of rows: a run of whole eights, one that begins within an eight, and single rows, the
/// last of which is in another sequence.
fn positions() -> Vec<u32> {
    (40..72).chain(3..35).chain([0, 72, 199, 1]).collect()
}

fn row_tables() -> Vec<u32> {
    let mut tables = vec![0; positions().len()];
    *tables.last_mut().unwrap() = 7;
    tables
}

#[test]
fn both_pairings_turn_and_append() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(11);
    let n_rows = positions().len();
    for pairing in [RopePairing::Halves, RopePairing::Adjacent] {
        for (n_heads, n_kv_heads, head_dim, n_pairs) in [
            (14, 2, 64, 32),
            (4, 4, 96, 48),
            (3, 1, 80, 20),
            (2, 1, 256, 128),
            (2, 2, 21, 7),
        ] {
            let heads = Heads {
                n_heads,
                n_kv_heads,
                head_dim,
            };
            let case = format!("{pairing:?} {heads:?} {n_pairs}");
            let qkv = random.floats(n_rows * heads.qkv_width());
            let [cos, sin] = [0, 1].map(|_| random.floats(N_POSITIONS * n_pairs));
            let untouched = vec![f16::from_f32(-7.0); N_BLOCKS * heads.block_len()];
            let [positions, row_tables] =
                [positions(), row_tables()].map(|ids| device.upload(&ids).unwrap());
            let block_tables = device.upload(&BLOCK_TABLES).unwrap();
            let [cos_view, sin_view] = [&cos, &sin].map(|table| device.upload(table).unwrap());
            let mut all_turned = Vec::new();
            for in_place in [true, false] {
                let mut keys = device.upload(&untouched).unwrap();
                let mut values = device.upload(&untouched).unwrap();
                let mut out = Guarded::with(device, &qkv);
                let launch = RopeAppend {
                    qkv: out.buffer.view_mut(),
                    in_place,
                    rope: Rope {
                        cos: cos_view.view(),
                        sin: sin_view.view(),
                        n_pairs,
                        pairing,
                    },
                    keys: keys.view_mut(),
                    values: values.view_mut(),
                    paging: Paging {
                        positions: positions.view(),
                        row_tables: row_tables.view(),
                        block_tables: block_tables.view(),
                    },
                    heads,
                    n_rows,
                };
                launch.launch(&kernels).unwrap();
                if in_place {
                    all_turned = out.read();
                    let expected = turned(&qkv, (&cos, &sin, n_pairs), pairing, &heads);
                    assert_close(&all_turned, &expected, 1e-10, &case);
                } else {
                    assert_same(&out.read(), &qkv, &case);
                }
                // Keys of a position are neighbours, values of a channel are.
                let of_keys = (n_heads, [head_dim, 1]);
                let of_values = (n_heads + n_kv_heads, [1, BLOCK_POSITIONS]);
                for (cache, part) in [(&keys, of_keys), (&values, of_values)] {
                    let cache = cache.read(untouched.len()).unwrap();
                    let appended = appended(&untouched, &all_turned, part, &heads);
                    let [cache, appended] = [cache, appended]
                        .map(|cache| cache.iter().map(|v| v.to_f32()).collect::<Vec<_>>());
                    assert_same(&cache, &appended, &case);
                }
            }
        }
    }
}

fn turned(
    qkv: &[f32],
    (cos, sin, n_pairs): (&[f32], &[f32], usize),
    pairing: RopePairing,
    heads: &Heads,
) -> Vec<f64> {
    let positions = positions();
    let mut out: Vec<f64> = qkv.iter().map(|&v| v.into()).collect();
    for (row, values) in out.chunks_exact_mut(heads.qkv_width()).enumerate() {
        let n_turned = heads.n_heads + heads.n_kv_heads;
        for head in values.chunks_exact_mut(heads.head_dim).take(n_turned) {
            for pair in 0..n_pairs {
                let at = positions[row] as usize * n_pairs + pair;
                let (c, s) = (f64::from(cos[at]), f64::from(sin[at]));
                let (i, j) = match pairing {
                    RopePairing::Halves => (pair, pair + n_pairs),
                    RopePairing::Adjacent => (2 * pair, 2 * pair + 1),
                };
                let (a, b) = (head[i], head[j]);
                head[i] = a * c - b * s;
                head[j] = a * s + b * c;
            }
        }
    }
    out
}

/// The cache after the heads of every row from `first_head` on went to their places: `strides` are
/// those of positions and of channels.
fn appended(
    before: &[f16],
    qkv: &[f32],
    (first_head, strides): (usize, [usize; 2]),
    heads: &Heads,
) -> Vec<f16> {
    let (positions, row_tables) = (positions(), row_tables());
    let mut cache = before.to_vec();
    for (row, values) in qkv.chunks_exact(heads.qkv_width()).enumerate() {
        let position = positions[row] as usize;
        let block = BLOCK_TABLES[row_tables[row] as usize + position / BLOCK_POSITIONS] as usize;
        let stored = values.chunks_exact(heads.head_dim).skip(first_head);
        for (head, channels) in stored.take(heads.n_kv_heads).enumerate() {
            let first = (block * heads.n_kv_heads + head) * BLOCK_POSITIONS * heads.head_dim;
            let at = first + position % BLOCK_POSITIONS * strides[0];
            for (channel, &value) in channels.iter().enumerate() {
                cache[at + channel * strides[1]] = f16::from_f32(value);
            }
        }
    }
    cache
}
