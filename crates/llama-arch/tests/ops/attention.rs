//! Causal attention over the paged cache, fed by `rope_append`.

mod feed;

use llama_arch::backend::{AttentionShape, Backend};
use llama_arch::config::RopePairing;
use llama_arch::rope::RopeTable;

use self::feed::{Sequence, Setup};
use crate::cases::{Rng, sizes};
use crate::harness::Report;
use crate::naive;
use crate::rope_append::table;

/// Scores of ordinary size: what is left is the rounding of the arithmetic.
const BAR: f64 = 1e-10;

/// Keys that RoPE turned in f32: a few of them round to another f16 than the oracle's.
const TURNED_BAR: f64 = 1e-8;

/// Scores of thousands: the exponential multiplies their rounding.
const WIDE_BAR: f64 = 1e-6;

/// Weights of positions that are rounded to f16.
const F16_BAR: f64 = 1e-6;

/// What queries, keys and values are like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    Normal,
    /// Values that f16 holds as subnormals.
    TinyValues,
    /// Values near the largest f16, scores of thousands of both signs.
    Large,
    /// One key channel of 3e3 and one value channel of 6e4.
    Outlier,
    /// All keys alike: every visible position weighs the same.
    ConstantKeys,
    ZeroQueries,
}

const DATA: [Data; 6] = [
    Data::Normal,
    Data::TinyValues,
    Data::Large,
    Data::Outlier,
    Data::ConstantKeys,
    Data::ZeroQueries,
];

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(8);
    let heads = [
        (1, 1),
        (2, 1),
        (4, 2),
        (7, 1),
        (8, 8),
        (8, 1),
        (14, 2),
        (16, 2),
    ];
    let (n, head_dims) = (150, [8, 32, 64, 80, 96, 128]);
    let heads = rng.picks(&heads, n);
    let head_dims = rng.picks(&head_dims, n);
    let lens = rng.picks(&sizes(10), n);
    let windows = rng.picks(
        &[None, None, Some(1), Some(7), Some(32), Some(45), Some(2047)],
        n,
    );
    let data = rng.picks(&DATA, n);
    for i in 0..n {
        let (n_heads, n_kv_heads) = heads[i];
        let shape = shape((n_heads, n_kv_heads), head_dims[i], windows[i]);
        // The long sequence attends with its last rows, others beside it with all of theirs.
        let mut sequences = vec![Sequence {
            len: lens[i],
            queries: lens[i].min(40).min(1 + i % 41),
        }];
        for _ in 0..rng.below(3) {
            let len = 1 + rng.below(70);
            sequences.push(Sequence { len, queries: len });
        }
        rng.shuffle(&mut sequences);
        check_data(backends, report, &mut rng, (data[i], sequences, shape));
    }
    check_turned(backends, report, &mut rng);
}

fn shape(
    (n_heads, n_kv_heads): (usize, usize),
    head_dim: usize,
    window: Option<usize>,
) -> AttentionShape {
    AttentionShape {
        n_heads,
        n_kv_heads,
        head_dim,
        rope_dims: head_dim,
        rope_pairing: RopePairing::Halves,
        window,
    }
}

/// Attention by itself: RoPE turns by nothing, so the oracle has the very keys of the cache.
fn check_data<B: Backend>(
    backends: &[Vec<B>],
    report: &mut Report,
    rng: &mut Rng,
    (data, sequences, shape): (Data, Vec<Sequence>, AttentionShape),
) {
    let longest = sequences.iter().map(|sequence| sequence.len).max().unwrap();
    let n_angles = longest * shape.rope_dims / 2;
    let rope = RopeTable {
        cos: vec![1.0; n_angles],
        sin: vec![0.0; n_angles],
        n_pairs: shape.rope_dims / 2,
    };
    let qkv = sequences
        .iter()
        .map(|sequence| rows(rng, data, sequence.len, &shape))
        .collect();
    let setup = Setup {
        shape,
        sequences,
        qkv,
        rope,
    };
    let expected = setup.expected(|row, _| row.iter().map(|&value| f64::from(value)).collect());
    let bar = if matches!(data, Data::Large | Data::Outlier) {
        WIDE_BAR
    } else {
        BAR
    };
    let bar = report.bar(bar, F16_BAR);
    setup.check(backends, report, (&data, expected, bar));
}

/// RoPE and attention together, at the start and far away, for partly turned heads too.
fn check_turned<B: Backend>(backends: &[Vec<B>], report: &mut Report, rng: &mut Rng) {
    for rope_pairing in [RopePairing::Adjacent, RopePairing::Halves] {
        for (heads, head_dim, rope_dims) in [
            ((2, 1), 64, 64),
            ((7, 1), 64, 32),
            ((8, 1), 96, 96),
            ((4, 4), 80, 20),
            ((16, 2), 8, 4),
        ] {
            for (len, queries, window) in [
                (40, 40, None),
                (65, 33, Some(20)),
                (300, 2, None),
                (if head_dim == 64 { 4098 } else { 513 }, 3, Some(64)),
            ] {
                let shape = AttentionShape {
                    rope_dims,
                    rope_pairing,
                    ..shape(heads, head_dim, window)
                };
                let theta = 1e4;
                let sequences = vec![Sequence { len, queries }, Sequence { len: 5, queries: 5 }];
                let lens = sequences.iter().map(|sequence| sequence.len);
                let qkv = lens
                    .map(|len| rows(rng, Data::Normal, len, &shape))
                    .collect();
                let rope = table(&shape, theta, len);
                let setup = Setup {
                    shape,
                    sequences,
                    qkv,
                    rope,
                };
                let expected = setup.expected(|row, at| naive::rope(row, at, theta, &shape));
                let bar = report.bar(TURNED_BAR, F16_BAR);
                setup.check(backends, report, (&"turned", expected, bar));
            }
        }
    }
}

fn rows(rng: &mut Rng, data: Data, n_rows: usize, shape: &AttentionShape) -> Vec<f32> {
    let (q_width, kv_width) = (shape.q_width(), shape.kv_width());
    let constant = rng.normals(kv_width);
    let mut rows = rng.normals(n_rows * shape.qkv_width());
    for row in rows.chunks_exact_mut(shape.qkv_width()) {
        let (q, kv) = row.split_at_mut(q_width);
        let (k, v) = kv.split_at_mut(kv_width);
        match data {
            Data::Normal => {}
            Data::TinyValues => v.iter_mut().for_each(|v| *v *= 1e-6),
            Data::Large => {
                q.iter_mut().for_each(|q| *q *= 300.0);
                v.iter_mut().for_each(|v| *v *= 1.4e4);
            }
            Data::Outlier => {
                k[rng.below(kv_width)] = 3e3;
                v[rng.below(kv_width)] = -6e4;
            }
            Data::ConstantKeys => k.copy_from_slice(&constant),
            Data::ZeroQueries => q.fill(0.0),
        }
    }
    rows
}
