//! Attention of single rows with all that comes before it.

use cuda_kernels::launch::{
    AttentionDecode, AttentionPrefill, DecodeScratch, HeadNorm, HeadNorms, Heads, Paging, Rope,
    RopeAppend, RopePairing, prefill_tiles,
};
use cuda_kernels::{Buffer, Kernels};

use super::attention_prefill::{Case, OnDevice};
use super::support::{Guarded, Random, assert_same, kernels};

const N_POSITIONS: usize = 704;
const EPS: f32 = 1e-6;

/// Tables of RoPE and weights of the norms, on the device.
struct Model {
    cos: Buffer<f32>,
    sin: Buffer<f32>,
    n_pairs: usize,
    pairing: RopePairing,
    norms: Option<[Buffer<f32>; 2]>,
}

impl Model {
    fn new(
        kernels: &Kernels,
        heads: &Heads,
        (pairing, n_pairs): (RopePairing, usize),
        has_norms: bool,
    ) -> Self {
        let (device, mut random) = (kernels.device(), Random(21));
        let mut upload = |len| device.upload(&random.floats(len)).unwrap();
        Self {
            cos: upload(N_POSITIONS * n_pairs),
            sin: upload(N_POSITIONS * n_pairs),
            n_pairs,
            pairing,
            norms: has_norms.then(|| [upload(heads.head_dim), upload(heads.head_dim)]),
        }
    }
}

/// Rows of a case, on the device.
struct Rows {
    qkv: Buffer<f32>,
    positions: Buffer<u32>,
    row_tables: Buffer<u32>,
    tiles: Buffer<u32>,
    n_rows: usize,
    n_tiles: usize,
}

impl Rows {
    fn new(kernels: &Kernels, case: &Case, rows: &[usize]) -> Self {
        let (device, width) = (kernels.device(), case.heads.qkv_width());
        let qkv: Vec<f32> = rows
            .iter()
            .flat_map(|&row| case.qkv[row * width..][..width].to_vec())
            .collect();
        let pick = |ids: &[u32]| rows.iter().map(|&row| ids[row]).collect::<Vec<_>>();
        let (positions, row_tables) = (pick(&case.positions), pick(&case.row_tables));
        let tiles = prefill_tiles(&positions, &row_tables, case.heads.head_dim);
        Self {
            qkv: device.upload(&qkv).unwrap(),
            n_rows: rows.len(),
            n_tiles: tiles.len() / 2,
            positions: device.upload(&positions).unwrap(),
            row_tables: device.upload(&row_tables).unwrap(),
            tiles: device.upload(&tiles).unwrap(),
        }
    }

    fn paging<'a>(&'a self, block_tables: &'a Buffer<u32>) -> Paging<'a> {
        Paging {
            positions: self.positions.view(),
            row_tables: self.row_tables.view(),
            block_tables: block_tables.view(),
        }
    }
}

/// Norm, RoPE and attention, each by its own launch; if not `in_place`, attention turns Q.
fn one_by_one(
    kernels: &Kernels,
    (case, model): (&Case, &Model),
    rows: &[usize],
    in_place: bool,
) -> Outcome {
    let mut cache = case.upload(kernels);
    let mut on_device = Rows::new(kernels, case, rows);
    let mut out = Guarded::new(kernels.device(), out_len(case, rows));
    let mut qkv = std::mem::replace(&mut on_device.qkv, kernels.device().zeroed(1).unwrap());
    if let Some([q_weight, k_weight]) = &model.norms {
        let norm = HeadNorm {
            qkv: qkv.view_mut(),
            q_weight: q_weight.view(),
            k_weight: k_weight.view(),
            eps: EPS,
            heads: case.heads,
            n_rows: rows.len(),
        };
        norm.launch(kernels).unwrap();
    }
    let rope = Rope {
        cos: model.cos.view(),
        sin: model.sin.view(),
        n_pairs: model.n_pairs,
        pairing: model.pairing,
    };
    let in_place = in_place || !rope.fits_attention(case.heads.head_dim);
    let append = RopeAppend {
        qkv: qkv.view_mut(),
        in_place,
        rope,
        keys: cache.keys.view_mut(),
        values: cache.values.view_mut(),
        paging: on_device.paging(&cache.block_tables),
        heads: case.heads,
        n_rows: rows.len(),
    };
    append.launch(kernels).unwrap();
    let attention = AttentionPrefill {
        qkv: qkv.view(),
        rope: (!in_place).then_some(rope),
        keys: cache.keys.view(),
        values: cache.values.view(),
        paging: on_device.paging(&cache.block_tables),
        tiles: on_device.tiles.view(),
        out: out.buffer.view_mut(),
        heads: case.heads,
        window: case.window,
        n_rows: rows.len(),
        n_tiles: on_device.n_tiles,
    };
    attention.launch(kernels).unwrap();
    Outcome::read(&out, &cache)
}

/// The same by one launch; twice, as the second finds what the first left.
fn together(kernels: &Kernels, case: &Case, model: &Model, rows: &[usize]) -> Outcome {
    let device = kernels.device();
    let mut cache = case.upload(kernels);
    let on_device = Rows::new(kernels, case, rows);
    let mut out = Guarded::new(device, out_len(case, rows));
    let n_sums = AttentionDecode::n_sums(&case.heads, rows.len(), N_POSITIONS);
    let mut sums = Guarded::new(device, n_sums);
    let n_tickets = AttentionDecode::n_tickets(&case.heads, rows.len());
    let mut tickets = device.zeroed(n_tickets).unwrap();
    for _ in 0..2 {
        let attention = AttentionDecode {
            qkv: on_device.qkv.view(),
            norms: model.norms.as_ref().map(|[q_weight, k_weight]| HeadNorms {
                q_weight: q_weight.view(),
                k_weight: k_weight.view(),
                eps: EPS,
            }),
            cos: model.cos.view(),
            sin: model.sin.view(),
            n_pairs: model.n_pairs,
            pairing: model.pairing,
            keys: cache.keys.view_mut(),
            values: cache.values.view_mut(),
            paging: on_device.paging(&cache.block_tables),
            scratch: DecodeScratch {
                sums: sums.buffer.view_mut(),
                tickets: tickets.view_mut(),
            },
            out: out.buffer.view_mut(),
            heads: case.heads,
            window: case.window,
            n_rows: on_device.n_rows,
            n_positions: N_POSITIONS,
        };
        attention.launch(kernels).unwrap();
    }
    sums.read();
    assert_eq!(tickets.read(n_tickets).unwrap(), vec![0; n_tickets]);
    Outcome::read(&out, &cache)
}

/// The output, then keys and values of the whole cache.
struct Outcome([Vec<f32>; 3]);

impl Outcome {
    fn read(out: &Guarded, cache: &OnDevice) -> Self {
        let [keys, values] = [&cache.keys, &cache.values].map(|half| {
            let values = half.read(half.len()).unwrap();
            values.iter().map(|v| v.to_f32()).collect()
        });
        Self([out.read(), keys, values])
    }

    fn assert_same(&self, expected: &Self, case: &str) {
        for (i, what) in ["output", "keys", "values"].into_iter().enumerate() {
            assert_same(&self.0[i], &expected.0[i], &format!("{case}: {what}"));
        }
    }
}

fn out_len(case: &Case, rows: &[usize]) -> usize {
    rows.len() * case.heads.n_heads * case.heads.head_dim
}

#[test]
fn one_launch_gives_the_bits_of_many() {
    use RopePairing::{Adjacent, Halves};
    let Some(kernels) = kernels() else { return };
    let shapes = [
        (14, 2, 64, Halves, 32),
        (4, 4, 96, Adjacent, 24),
        (4, 4, 96, Halves, 48),
        (3, 1, 80, Halves, 20),
        (3, 1, 80, Adjacent, 40),
        (18, 1, 128, Halves, 64),
        (8, 2, 128, Adjacent, 32),
        (2, 2, 256, Halves, 128),
        (2, 1, 20, Adjacent, 10),
        (4, 2, 33, Halves, 8),
        (2, 2, 32, Halves, 16),
    ];
    for (i, (n_heads, n_kv_heads, head_dim, pairing, n_pairs)) in shapes.into_iter().enumerate() {
        let heads = Heads {
            n_heads,
            n_kv_heads,
            head_dim,
        };
        let model = Model::new(&kernels, &heads, (pairing, n_pairs), i % 3 == 0);
        for window in [None, Some(300)] {
            let case = Case::new(heads, window, 22);
            for row in 0..case.positions.len() / 2 {
                // One row of each sequence: rows of one would read what others write.
                for rows in [vec![row], vec![row, case.positions.len() - 1 - row]] {
                    let name = format!("{heads:?} {window:?} {rows:?}");
                    let found = together(&kernels, &case, &model, &rows);
                    for in_place in [true, false] {
                        let expected = one_by_one(&kernels, (&case, &model), &rows, in_place);
                        found.assert_same(&expected, &format!("{name}, in place: {in_place}"));
                    }
                }
            }
        }
    }
}
