//! One good launch of everything.

use std::sync::Arc;

use cuda_kernels::driver::fake::FakeDriver;
use cuda_kernels::launch::{
    AddInPlace, Argmax, AttentionDecode, AttentionPrefill, BLOCK_POSITIONS, CountNonFinite,
    DecodeScratch, Embed, Epilogue, Gather, HeadNorm, HeadNorms, Heads, LaunchCost, Matmul, Paging,
    ReadBandwidth, RmsNorm, Rope, RopeAppend, RopePairing, Sample, SampleParams, SampleResult,
    SampleState, Swiglu, Weight,
};
use cuda_kernels::{Buffer, CudaError, Device, Kernels, WeightType, f16};

use super::fake_device;

pub(crate) const HEADS: Heads = Heads {
    n_heads: 4,
    n_kv_heads: 2,
    head_dim: 16,
};
/// Rows of every launch.
pub(crate) const ROWS: usize = 3;
const WIDTH: usize = 256;
const N_BLOCKS: usize = 2;
const N_SLOTS: usize = 2;

/// Buffers of the right sizes.
pub(crate) struct Buffers {
    pub(crate) x: Buffer<f32>,
    pub(crate) out: Buffer<f32>,
    pub(crate) weight: Buffer<u8>,
    pub(crate) keys: Buffer<f16>,
    pub(crate) values: Buffer<f16>,
    pub(crate) ids: Buffer<u32>,
    pub(crate) found: Buffer<u32>,
    pub(crate) gathered: Buffer<f32>,
    pub(crate) keys_of_logits: Buffer<u64>,
    pub(crate) arrivals: Buffer<u32>,
    pub(crate) non_finite: Buffer<u32>,
    pub(crate) params: Buffer<SampleParams>,
    pub(crate) states: Buffer<SampleState>,
    pub(crate) results: Buffer<SampleResult>,
    pub(crate) scratch: Buffer<u64>,
}

impl Buffers {
    pub(crate) fn new(device: &Device) -> Result<Self, CudaError> {
        let cache_len = N_BLOCKS * HEADS.n_kv_heads * BLOCK_POSITIONS * HEADS.head_dim;
        Ok(Self {
            x: device.zeroed(ROWS * WIDTH)?,
            out: device.zeroed(ROWS * WIDTH)?,
            weight: device.zeroed(WIDTH * WIDTH * 4)?,
            keys: device.zeroed(cache_len)?,
            values: device.zeroed(cache_len)?,
            ids: device.zeroed(ROWS)?,
            found: device.zeroed(ROWS)?,
            gathered: device.zeroed(ROWS * WIDTH)?,
            keys_of_logits: device.zeroed(Argmax::n_keys(ROWS, WIDTH))?,
            arrivals: device.zeroed(ROWS)?,
            non_finite: device.zeroed(ROWS)?,
            params: device.zeroed(ROWS)?,
            states: device.zeroed(ROWS)?,
            results: device.zeroed(N_SLOTS * ROWS)?,
            scratch: device.zeroed(Sample::scratch_len(ROWS, WIDTH))?,
        })
    }
}

/// 256 rows, whichever the format.
fn weight(bytes: &Buffer<u8>, weight_type: WeightType) -> Weight<'_> {
    Weight {
        bytes: bytes.view(),
        weight_type,
        n_rows: WIDTH,
        row_len: WIDTH,
    }
}

/// One table of ids serves as everything.
pub(crate) fn paging(ids: &Buffer<u32>) -> Paging<'_> {
    let ids = ids.view();
    Paging {
        positions: ids,
        row_tables: ids,
        block_tables: ids,
    }
}

/// Every kernel of every format, and what each costs.
pub(crate) fn every_launch(
    device: &Device,
    kernels: &Kernels,
) -> Result<Vec<LaunchCost>, CudaError> {
    let mut b = Buffers::new(device)?;
    let mut costs = Vec::new();
    for weight_type in WeightType::ALL {
        let embed = Embed {
            table: weight(&b.weight, weight_type),
            first_token: 0,
            tokens: b.ids.view(),
            out: b.out.view_mut(),
            n_rows: ROWS,
        };
        costs.push(embed.launch(kernels)?);
        for n_rows in [1, ROWS] {
            costs.push(matmul(&mut b, weight_type, n_rows).launch(kernels)?);
        }
    }
    costs.extend(super::packed::every_launch(device, kernels)?);
    costs.extend(row_ops(&mut b, kernels)?);
    costs.extend(attention_ops(&mut b, kernels)?);
    costs.extend(attention_of_every_width(device, kernels)?);
    let words = device.zeroed(ROWS * 4)?;
    let mut out = device.zeroed(ReadBandwidth::THREADS)?;
    let (words, out) = (words.view(), out.view_mut());
    costs.push(ReadBandwidth { words, out }.launch(kernels)?);
    costs.extend(sample(&mut b, kernels)?);
    Ok(costs)
}

fn row_ops(b: &mut Buffers, kernels: &Kernels) -> Result<[LaunchCost; 6], CudaError> {
    let (n_rows, width, x) = (ROWS, WIDTH, b.x.view());
    let mut out = b.out.view_mut();
    let mut found = b.found.view_mut();
    let norm = RmsNorm {
        x,
        weight: x,
        out: out.reborrow(),
        eps: 1e-6,
        n_rows,
        width,
    };
    let gather = Gather {
        x,
        rows: b.ids.view(),
        out: b.gathered.view_mut(),
        n_rows,
        width,
    };
    let argmax = Argmax {
        x,
        keys: b.keys_of_logits.view_mut(),
        arrivals: b.arrivals.view_mut(),
        out: found.reborrow(),
        non_finite: b.non_finite.view_mut(),
        n_rows,
        width,
    };
    let costs = [
        norm.launch(kernels)?,
        gather.launch(kernels)?,
        argmax.launch(kernels)?,
    ];
    let (gate_up, ffn) = (x, WIDTH / 2);
    let swiglu = Swiglu {
        gate_up,
        out: out.reborrow(),
        n_rows,
        ffn,
    };
    let count = CountNonFinite {
        x,
        out: found,
        n_rows,
        width,
    };
    let [norm, gather, argmax] = costs;
    let (swiglu, count) = (swiglu.launch(kernels)?, count.launch(kernels)?);
    let add = AddInPlace { x, out, len: 7 }.launch(kernels)?;
    Ok([norm, gather, argmax, swiglu, count, add])
}

fn attention_ops(b: &mut Buffers, kernels: &Kernels) -> Result<[LaunchCost; 3], CudaError> {
    let (heads, n_rows) = (HEADS, ROWS);
    let norm = HeadNorm {
        qkv: b.out.view_mut(),
        q_weight: b.x.view(),
        k_weight: b.x.view(),
        eps: 1e-6,
        heads,
        n_rows,
    };
    let norm = norm.launch(kernels)?;
    let mut rope = |in_place| {
        let rope = RopeAppend {
            qkv: b.out.view_mut(),
            in_place,
            rope: Rope {
                cos: b.x.view(),
                sin: b.x.view(),
                n_pairs: 8,
                pairing: RopePairing::Halves,
            },
            keys: b.keys.view_mut(),
            values: b.values.view_mut(),
            paging: paging(&b.ids),
            heads,
            n_rows,
        };
        rope.launch(kernels)
    };
    Ok([norm, rope(true)?, rope(false)?])
}

/// Attention with heads of every width that has an entry point.
fn attention_of_every_width(
    device: &Device,
    kernels: &Kernels,
) -> Result<Vec<LaunchCost>, CudaError> {
    let mut costs = Vec::new();
    for head_dim in [64, 80, 96, 128, 256, 16, 48] {
        let heads = Heads { head_dim, ..HEADS };
        let mut b = AttentionBuffers::new(device, heads)?;
        costs.push(b.prefill().launch(kernels)?);
        costs.push(b.decode().launch(kernels)?);
        // Few enough for clusters.
        let mut few = b.decode();
        few.n_rows = 1;
        costs.push(few.launch(kernels)?);
    }
    Ok(costs)
}

/// Buffers for attention.
pub(crate) struct AttentionBuffers {
    heads: Heads,
    qkv: Buffer<f32>,
    out: Buffer<f32>,
    sums: Buffer<f32>,
    keys: Buffer<f16>,
    values: Buffer<f16>,
    ids: Buffer<u32>,
    tickets: Buffer<u32>,
}

impl AttentionBuffers {
    /// For [`ROWS`] rows of at most 300 positions.
    pub(crate) fn new(device: &Device, heads: Heads) -> Result<Self, CudaError> {
        let cache_len = N_BLOCKS * heads.block_len();
        let parts = AttentionDecode::n_sums(&heads, ROWS, 300);
        Ok(Self {
            heads,
            qkv: device.zeroed(ROWS * heads.qkv_width())?,
            out: device.zeroed(ROWS * heads.n_heads * heads.head_dim)?,
            sums: device.zeroed(parts)?,
            keys: device.zeroed(cache_len)?,
            values: device.zeroed(cache_len)?,
            ids: device.zeroed(2 * ROWS)?,
            tickets: device.zeroed(AttentionDecode::n_tickets(&heads, ROWS))?,
        })
    }

    /// A good launch.
    pub(crate) fn prefill(&mut self) -> AttentionPrefill<'_> {
        AttentionPrefill {
            qkv: self.qkv.view(),
            rope: None,
            keys: self.keys.view(),
            values: self.values.view(),
            paging: paging(&self.ids),
            tiles: self.ids.view(),
            out: self.out.view_mut(),
            heads: self.heads,
            window: None,
            n_rows: ROWS,
            n_tiles: ROWS,
        }
    }

    /// Another.
    pub(crate) fn decode(&mut self) -> AttentionDecode<'_> {
        AttentionDecode {
            qkv: self.qkv.view(),
            norms: Some(HeadNorms {
                q_weight: self.qkv.view(),
                k_weight: self.qkv.view(),
                eps: 1e-6,
            }),
            cos: self.qkv.view(),
            sin: self.qkv.view(),
            n_pairs: 8,
            pairing: RopePairing::Halves,
            keys: self.keys.view_mut(),
            values: self.values.view_mut(),
            paging: paging(&self.ids),
            scratch: DecodeScratch {
                sums: self.sums.view_mut(),
                tickets: self.tickets.view_mut(),
            },
            out: self.out.view_mut(),
            heads: self.heads,
            window: Some(100),
            n_rows: ROWS,
            n_positions: 300,
        }
    }
}

fn sample(b: &mut Buffers, kernels: &Kernels) -> Result<[LaunchCost; 2], CudaError> {
    let sample = Sample {
        x: b.x.view(),
        params: b.params.view(),
        counts: b.arrivals.view_mut().range(0..0)?,
        states: b.states.view_mut(),
        scratch: b.scratch.view_mut(),
        tokens: b.found.view_mut(),
        positions: b.non_finite.view_mut(),
        results: b.results.view_mut(),
        n_rows: ROWS,
        width: WIDTH,
        n_slots: N_SLOTS,
    };
    sample.launch(kernels)
}

/// A good matrix multiplication.
pub(crate) fn matmul(b: &mut Buffers, weight_type: WeightType, n_rows: usize) -> Matmul<'_> {
    Matmul {
        weight: weight(&b.weight, weight_type),
        x: b.x.view(),
        out: b.out.view_mut(),
        n_rows,
        first_output: 0,
        out_width: WIDTH,
        epilogue: Epilogue::Store,
    }
}

/// The fake driver refuses arguments that are not those of the PTX, so this also proves the ABI.
#[test]
fn everything_launches_with_the_arguments_of_its_ptx() {
    let mut names = Vec::new();
    // Drivers before 13.0 compile the PTX, others take cubins, which must have the same kernels.
    for (compute_capability, version) in [
        ((8, 0), 12_040),
        ((9, 0), 12_040),
        ((12, 0), 13_000),
        ((8, 0), 13_000),
        ((9, 0), 13_000),
        ((9, 2), 13_000),
    ] {
        let fake = Arc::new(FakeDriver::with_devices(1, compute_capability));
        fake.set_version(version);
        let device = Device::open_with(fake.clone(), 0).unwrap();
        let kernels = Kernels::load(&device).unwrap();
        let costs = every_launch(&device, &kernels).unwrap();
        assert_eq!(fake.launches().len(), costs.len());
        super::gemm::every_launch(&device, &kernels).unwrap();
        let launches = fake.launches();
        names.extend(launches.into_iter().map(|launch| launch.kernel));
    }
    names.sort();
    names.dedup();
    let mut entries: Vec<String> = super::ptx::texts()
        .flat_map(|module| super::ptx::bodies(module.text))
        .map(|(name, _)| name.to_owned())
        .collect();
    entries.sort_unstable();
    entries.dedup();
    assert_eq!(names, entries, "every entry point is launched by something");
}

#[test]
fn costs_are_counted() {
    let (_, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut b = Buffers::new(&device).unwrap();
    let cost = matmul(&mut b, WeightType::Q8_0, 3)
        .launch(&kernels)
        .unwrap();
    assert_eq!(cost.flops, 2 * 3 * 256 * 256);
    assert_eq!(cost.bytes, 256 * 256 / 32 * 34 + 4 * 3 * (256 + 256));
}

#[test]
fn rows_beyond_a_tile_make_more_blocks() {
    let (fake, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut b = Buffers::new(&device).unwrap();
    b.x = device.zeroed(17 * WIDTH).unwrap();
    b.out = device.zeroed(17 * WIDTH).unwrap();
    let mut launched = Vec::new();
    for n_rows in [1, 2, 8, 9, 17] {
        matmul(&mut b, WeightType::Q4K, n_rows)
            .launch(&kernels)
            .unwrap();
        let launch = fake.launches().pop().unwrap();
        launched.push((launch.kernel, launch.config.grid[1]));
    }
    let expected = [
        ("rows1", 1),
        ("rows8", 1),
        ("rows8", 1),
        ("rows8", 2),
        ("rows8", 3),
    ];
    let expected = expected.map(|(rows, tiles)| (format!("matmul_q4_k_{rows}"), tiles));
    assert_eq!(launched, expected);
}
