//! RoPE on Q and K, and what reaches the cache.

use llama_arch::backend::{AttentionShape, Backend};
use llama_arch::batch::{Batch, Outputs};
use llama_arch::config::{RopeConfig, RopePairing, RopeScaling};
use llama_arch::kv_cache::{BLOCK_POSITIONS, KvLayout, blocks_for};
use llama_arch::rope::{RopeFactors, RopeTable};

use crate::cases::{Pattern, Rng};
use crate::harness::{Case, ELEMENTWISE_BAR, Report, output, same_bits, updated};
use crate::naive;

const PAIRINGS: [RopePairing; 2] = [RopePairing::Adjacent, RopePairing::Halves];

/// The table of plain frequencies for a shape.
pub(crate) fn table(shape: &AttentionShape, theta: f32, n_positions: usize) -> RopeTable {
    let config = RopeConfig {
        theta,
        dims: shape.rope_dims,
        pairing: shape.rope_pairing,
        scaling: RopeScaling::None,
    };
    RopeTable::new(&config, &RopeFactors::default(), n_positions)
}

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    check_golden(backends, report);
    let mut rng = report.rng(7);
    check_rounding(backends, report);
    for pattern in [
        Pattern::Normal,
        Pattern::Cancelling,
        Pattern::Constant,
        Pattern::Subnormal,
    ] {
        for (head_dim, rope_dims) in [
            (8, 8),
            (8, 2),
            (32, 16),
            (64, 64),
            (80, 20),
            (80, 80),
            (96, 96),
            (128, 64),
        ] {
            for (rope_pairing, (n_heads, n_kv_heads)) in [
                (0, (1, 1)),
                (1, (2, 1)),
                (0, (7, 1)),
                (1, (8, 8)),
                (1, (16, 2)),
                (0, (6, 3)),
            ] {
                let rope_pairing = PAIRINGS[rope_pairing];
                let shape = AttentionShape {
                    n_heads,
                    n_kv_heads,
                    head_dim,
                    rope_dims,
                    rope_pairing,
                    window: Some(1),
                };
                let theta = [1e4, 5e5, 1e6][rng.below(3)];
                let starts = [rng.below(3), 31, 64 + rng.below(40)];
                check_shape(
                    backends,
                    report,
                    &mut rng,
                    (pattern, theta, &starts, &shape),
                );
            }
        }
    }
    for rope_pairing in PAIRINGS {
        let shape = AttentionShape {
            n_heads: 2,
            n_kv_heads: 1,
            head_dim: 64,
            rope_dims: 64,
            rope_pairing,
            window: Some(1),
        };
        for starts in [&[4094, 0][..], &[32766, 4093], &[8191]] {
            check_shape(
                backends,
                report,
                &mut rng,
                (Pattern::Normal, 1e4, starts, &shape),
            );
        }
    }
}

/// Rows of each sequence.
const ROWS: usize = 3;

/// Runs rows of several sequences, each at its own positions and in scattered blocks. With a
/// window of one, attention gives back the values of the row's own position as the cache has them.
fn check_shape<B: Backend>(
    backends: &[Vec<B>],
    report: &mut Report,
    rng: &mut Rng,
    (pattern, theta, starts, shape): (Pattern, f32, &[usize], &AttentionShape),
) {
    let (width, longest) = (shape.qkv_width(), *starts.iter().max().unwrap());
    let table = table(shape, theta, longest + ROWS);
    let tables = block_tables(rng, starts);
    let rows: Vec<(usize, usize)> = (0..starts.len())
        .flat_map(|sequence| (0..ROWS).map(move |row| (sequence, starts[sequence] + row)))
        .collect();
    let qkv = pattern.rows(rng, rows.len() * width / shape.head_dim, shape.head_dim);
    let turned = |(row, &(_, position)): (&[f32], _)| naive::rope(row, position, theta, shape);
    let case = Case {
        label: format!("{pattern:?}, theta {theta}, from {starts:?}, {shape:?}"),
        width: shape.head_dim,
        expected: qkv
            .chunks_exact(width)
            .zip(&rows)
            .flat_map(turned)
            .collect(),
        bar: ELEMENTWISE_BAR,
    };
    let run = |backend: &B, range: std::ops::Range<usize>| {
        let mut batch = Batch::new();
        for of_sequence in rows[range.clone()].chunk_by(|a, b| a.0 == b.0) {
            let (sequence, start) = of_sequence[0];
            batch.push(
                &vec![0; of_sequence.len()],
                start,
                &tables[sequence],
                Outputs::None,
            );
        }
        append(
            backend,
            &table,
            &qkv[range.start * width..range.end * width],
            (&batch, shape),
        )
    };
    report.check_variants(backends, &case, |backend, is_first| {
        let whole = run(backend, 0..rows.len());
        for row in (0..rows.len()).filter(|_| is_first) {
            let of_whole = &whole[row * width..(row + 1) * width];
            assert!(
                same_bits(&run(backend, row..row + 1), of_whole),
                "a row depends on others"
            );
        }
        whole
    });
}

/// Blocks for every sequence: none shared where rows are stored, all others one and the same.
fn block_tables(rng: &mut Rng, starts: &[usize]) -> Vec<Vec<u32>> {
    let mut ids: Vec<u32> = (1..=2 * starts.len() as u32).collect();
    rng.shuffle(&mut ids);
    let tables = starts.iter().map(|start| {
        let mut blocks = vec![0; blocks_for(start + ROWS)];
        blocks[start / BLOCK_POSITIONS..].fill_with(|| ids.pop().unwrap());
        blocks
    });
    tables.collect()
}

/// The rows after `rope_append`, once V was found unchanged in the rows and rounded in the cache.
fn append<B: Backend>(
    backend: &B,
    table: &RopeTable,
    qkv: &[f32],
    (batch, shape): (&Batch, &AttentionShape),
) -> Vec<f32> {
    let (width, q_width) = (shape.qkv_width(), shape.q_width());
    let n_blocks = batch
        .sequences()
        .iter()
        .flat_map(|sequence| &sequence.blocks)
        .max();
    let layout = KvLayout {
        n_layers: 2,
        n_kv_heads: shape.n_kv_heads,
        head_dim: shape.head_dim,
        n_blocks: *n_blocks.unwrap() as usize + 1,
    };
    let mut cache = backend.kv_cache(&layout).unwrap();
    let rope = backend.rope(table.clone()).unwrap();
    let mut stored = Vec::new();
    let turned = updated(backend, qkv, width, |qkv| {
        backend
            .rope_append(qkv, &rope, &mut cache, 1, (batch, shape))
            .unwrap();
        stored = output(backend, (batch.tokens().len(), q_width), |out| {
            backend
                .attention(qkv, &cache, 1, (batch, shape), out)
                .unwrap();
        });
    });
    for (row, (before, after)) in qkv
        .chunks_exact(width)
        .zip(turned.chunks_exact(width))
        .enumerate()
    {
        let v = &before[width - shape.kv_width()..];
        assert!(
            same_bits(v, &after[width - shape.kv_width()..]),
            "V of row {row} changed"
        );
        let heads = stored[row * q_width..(row + 1) * q_width].chunks_exact(shape.head_dim);
        for (head, stored) in heads.enumerate() {
            let kv_head = head / (shape.n_heads / shape.n_kv_heads);
            let v = &v[kv_head * shape.head_dim..(kv_head + 1) * shape.head_dim];
            let halves: Vec<f32> = v.iter().map(|&v| as_half(v)).collect();
            assert_eq!(
                stored, halves,
                "row {row}, head {head}: values in the cache"
            );
        }
    }
    turned
}

/// The nearest f16, as f32. What is too large for f16 is not part of these cases.
pub(crate) fn as_half(value: f32) -> f32 {
    gguf::dequant::f16_to_f32(gguf::f32_to_f16(value))
}

/// Values halfway between two f16 numbers and beside it, normal and subnormal, and the largest.
fn check_rounding<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let shape = AttentionShape {
        n_heads: 1,
        n_kv_heads: 1,
        head_dim: 128,
        rope_dims: 128,
        rope_pairing: RopePairing::Halves,
        window: Some(1),
    };
    for exponent in -26..=4 {
        let halfway = |i: i32| (f64::from(1024 + i) + 0.5) * 2.0_f64.powi(exponent);
        let v: Vec<f32> = (0..128)
            .map(|i| match i % 4 {
                0 => halfway(i) as f32,
                1 => -halfway(i) as f32,
                2 => (halfway(i) as f32).next_up(),
                _ => (halfway(i) as f32).next_down(),
            })
            .chain([65504.0, -65519.0])
            .skip(2)
            .collect();
        let qkv = [&[0.5; 256][..], &v].concat();
        let case = Case {
            label: format!("values between f16 numbers times 2^{exponent}"),
            width: shape.qkv_width(),
            expected: naive::rope(&qkv, 1, 1e4, &shape),
            bar: ELEMENTWISE_BAR,
        };
        let mut batch = Batch::new();
        batch.push(&[0], 1, &[0], Outputs::None);
        report.check_variants(backends, &case, |backend, _| {
            append(backend, &table(&shape, 1e4, 2), &qkv, (&batch, &shape))
        });
    }
}

/// Numbers anyone can check: one head of six channels, four of which turn, `theta` 4. The angles
/// at position `p` are `p` and `p / 2`.
fn check_golden<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let unit = [1.0, 0.0, 0.0, 0.0, 5.0, 6.0];
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    // cos 1 = 0.5403023059, sin 1 = 0.8414709848, cos 2 = -0.4161468365, sin 2 = 0.9092974268.
    let goldens = [
        (
            1,
            PAIRINGS[0],
            unit,
            [0.540_302_305_9, 0.841_470_984_8, 0.0, 0.0],
        ),
        (
            1,
            PAIRINGS[1],
            unit,
            [0.540_302_305_9, 0.0, 0.841_470_984_8, 0.0],
        ),
        // (1, 2) by 2 and (3, 4) by 1.
        (
            2,
            PAIRINGS[0],
            steps,
            [
                -2.234_741_690_1,
                0.077_003_753_8,
                -1.744_977_021_5,
                4.685_622_178_0,
            ],
        ),
        // (1, 3) by 2 and (2, 4) by 1.
        (
            2,
            PAIRINGS[1],
            steps,
            [
                -3.144_039_116_9,
                -2.285_279_327_4,
                -0.339_143_082_7,
                3.844_151_193_2,
            ],
        ),
    ];
    for (position, rope_pairing, head, golden) in goldens {
        let shape = AttentionShape {
            n_heads: 1,
            n_kv_heads: 1,
            head_dim: 6,
            rope_dims: 4,
            rope_pairing,
            window: Some(1),
        };
        let head_out = [&golden[..], &[5.0, 6.0]].concat();
        let case = Case {
            label: format!("golden values at {position}, {rope_pairing:?}"),
            width: 6,
            expected: [&head_out[..], &head_out, &[7.0; 6]].concat(),
            bar: ELEMENTWISE_BAR,
        };
        let qkv = [&head[..], &head, &[7.0; 6]].concat();
        let mut batch = Batch::new();
        batch.push(&[0], position, &[0], Outputs::None);
        report.check_variants(backends, &case, |backend, _| {
            append(backend, &table(&shape, 4.0, 3), &qkv, (&batch, &shape))
        });
    }
}
