//! RMSNorm of the heads of Q and K, in place.

use llama_arch::backend::{AttentionShape, Backend};
use llama_arch::config::RopePairing;

use crate::cases::{Pattern, Rng, sizes};
use crate::harness::{Case, ELEMENTWISE_BAR, Report, same_bits, updated};
use crate::naive;

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(4);
    for pattern in Pattern::ALL {
        for head_dim in [8, 32, 64, 80, 96, 128] {
            for (n_heads, n_kv_heads) in [(1, 1), (4, 2), (7, 1), (8, 8), (16, 2)] {
                let shape = AttentionShape {
                    n_heads,
                    n_kv_heads,
                    head_dim,
                    rope_dims: head_dim,
                    rope_pairing: RopePairing::Halves,
                    window: None,
                };
                let rows = rng.picks(&sizes(3), 1)[0];
                check_shape(backends, report, &mut rng, (pattern, rows, &shape));
            }
        }
    }
}

fn check_shape<B: Backend>(
    backends: &[Vec<B>],
    report: &mut Report,
    rng: &mut Rng,
    (pattern, rows, shape): (Pattern, usize, &AttentionShape),
) {
    let (eps, width) = (1e-6, shape.qkv_width());
    // A head is a row of the pattern: an outlier in one must not touch the next.
    let qkv = pattern.rows(rng, rows * width / shape.head_dim, shape.head_dim);
    let (q_norm, k_norm) = (rng.normals(shape.head_dim), rng.normals(shape.head_dim));
    let case = Case {
        label: format!("{pattern:?}, {rows} rows of {shape:?}"),
        // The oracle's heads one by one, because V may be larger than the rest by far.
        width: shape.head_dim,
        expected: naive::head_norm(&qkv, (&q_norm, &k_norm), eps, shape),
        bar: ELEMENTWISE_BAR,
    };
    let run = |backend: &B, qkv: &[f32]| {
        let q_norm = backend.vector(&q_norm).unwrap();
        let k_norm = backend.vector(&k_norm).unwrap();
        updated(backend, qkv, width, |qkv| {
            backend
                .head_norm(qkv, (&q_norm, &k_norm), eps, shape)
                .unwrap();
        })
    };
    report.check_variants(backends, &case, |backend, _| {
        let whole = run(backend, &qkv);
        for (row, whole) in qkv.chunks_exact(width).zip(whole.chunks_exact(width)) {
            assert!(
                same_bits(&run(backend, row), whole),
                "a row depends on others"
            );
            let v = width - shape.kv_width();
            assert!(same_bits(&row[v..], &whole[v..]), "V changed");
        }
        whole
    });
}
