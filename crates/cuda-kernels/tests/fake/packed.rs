//! Packed weights: good launches of everything, and those that are refused.

use cuda_kernels::launch::{
    EmbedPacked, LaunchCost, Matvec, MatvecEpilogue, Norm, PackedWeight, Repack, RepackRows,
    RowOrder, Weight,
};
use cuda_kernels::{Buffer, CudaError, Device, Kernels, WeightType};

use super::fake_device;

/// Rows of every weight.
const N_ROWS: usize = 16;
/// Rows of activations, and values of a row, at most.
const MOST_ROWS: usize = 16;
const MOST_VALUES: usize = 16_384;

struct Buffers {
    raw: Buffer<u8>,
    units: Buffer<u8>,
    ids: Buffer<u32>,
    x: Buffer<f32>,
    out: Buffer<f32>,
}

impl Buffers {
    fn new(device: &Device) -> Result<Self, CudaError> {
        Ok(Self {
            raw: device.zeroed(2 * N_ROWS * MOST_VALUES)?,
            units: device.zeroed(2 * N_ROWS * MOST_VALUES)?,
            ids: device.zeroed(MOST_ROWS)?,
            x: device.zeroed(MOST_ROWS * MOST_VALUES)?,
            out: device.zeroed(MOST_ROWS * 512)?,
        })
    }

    /// Rows of a table of 256 values each.
    fn embed(&mut self, weight_type: WeightType, order: RowOrder) -> EmbedPacked<'_> {
        EmbedPacked {
            table: PackedWeight {
                units: self.units.view(),
                weight_type,
                n_rows: N_ROWS,
                row_len: 256,
                order,
            },
            first_token: 0,
            tokens: self.ids.view(),
            out: self.out.view_mut(),
            n_rows: 2,
        }
    }
}

fn repack(b: &mut Buffers, weight_type: WeightType) -> Repack<'_> {
    let rows = Weight {
        bytes: b.raw.view(),
        weight_type,
        n_rows: N_ROWS,
        row_len: 256,
    };
    Repack {
        rows: RepackRows::Plain(rows),
        units: b.units.view_mut(),
    }
}

/// Launches a product of rows of `row_len` values, after `change` was made to it.
fn matvec(
    kernels: &Kernels,
    b: &mut Buffers,
    (n_rows, row_len): (usize, usize),
    change: impl FnOnce(&mut Matvec<'_>),
) -> Result<LaunchCost, CudaError> {
    let stack = [PackedWeight {
        units: b.units.view(),
        weight_type: WeightType::Q4K,
        n_rows: N_ROWS,
        row_len,
        order: RowOrder::Plain,
    }];
    let mut launch = Matvec {
        stack: &stack,
        norm: None,
        x: b.x.view(),
        out: b.out.view_mut(),
        n_rows,
        out_width: N_ROWS,
        epilogue: MatvecEpilogue::Store,
        is_chained: true,
    };
    change(&mut launch);
    launch.launch(kernels)
}

pub(crate) fn every_launch(
    device: &Device,
    kernels: &Kernels,
) -> Result<Vec<LaunchCost>, CudaError> {
    let mut b = Buffers::new(device)?;
    let mut costs = Vec::new();
    let packed = WeightType::ALL.into_iter();
    for weight_type in packed.filter(|weight_type| weight_type.unit_bytes().is_some()) {
        costs.push(repack(&mut b, weight_type).launch(kernels)?);
        let embed = b.embed(weight_type, RowOrder::Plain);
        costs.push(embed.launch(kernels)?);
    }
    // Short rows, rows that two blocks share, and such long ones that a block has many units.
    for n_rows in [1, 3, 16] {
        costs.push(matvec(kernels, &mut b, (n_rows, 256), |_| ())?);
        costs.push(matvec(kernels, &mut b, (n_rows, 4096), |_| ())?);
    }
    for n_rows in [1, 3] {
        costs.push(matvec(kernels, &mut b, (n_rows, MOST_VALUES), |launch| {
            let (weight, eps) = (launch.x, 1e-6);
            launch.norm = Some(Norm { weight, eps });
        })?);
    }
    Ok(costs)
}

/// Runs a launch that must be refused with these words.
fn refused(words: &str, launch: impl FnOnce(&Kernels, &mut Buffers) -> Result<(), CudaError>) {
    let (fake, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut b = Buffers::new(&device).unwrap();
    let n_launches = fake.launches().len();
    let error = launch(&kernels, &mut b).expect_err(words);
    assert!(matches!(error, CudaError::Shape { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(fake.launches().len(), n_launches);
}

#[test]
fn few_tiles_of_long_rows_are_shared_by_the_blocks_of_clusters() {
    let (fake, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut b = Buffers::new(&device).unwrap();
    for (row_len, cluster) in [(256, 1), (4096, 2)] {
        matvec(&kernels, &mut b, (1, row_len), |_| ()).unwrap();
        assert_eq!(fake.launches().last().unwrap().config.cluster, cluster);
    }
}

#[test]
fn matvec_shapes() {
    let matvec_with = |shape, change: fn(&mut Matvec<'_>)| {
        move |kernels: &Kernels, b: &mut Buffers| matvec(kernels, b, shape, change).map(drop)
    };
    refused("17 rows, more than 16", matvec_with((17, 256), |_| ()));
    refused("n_rows is 0", matvec_with((0, 256), |_| ()));
    refused(
        "a stack of 0 weights",
        matvec_with((1, 256), |m| m.stack = &[]),
    );
    refused("cannot be packed", matvec_with((1, 128), |_| ()));
    refused(
        "16 outputs in 15 columns",
        matvec_with((1, 256), |m| m.out_width = 15),
    );
    refused(
        "SwiGLU of a weight that is not paired",
        matvec_with((1, 256), |m| m.epilogue = MatvecEpilogue::SwiGlu),
    );
    refused(
        "bias has 3 values",
        matvec_with((1, 256), |m| {
            m.epilogue = MatvecEpilogue::Bias(m.x.range(0..3).unwrap());
        }),
    );
    refused(
        "multiple of 16",
        matvec_with((1, 256), |m| m.x = m.x.range(1..257).unwrap()),
    );
    refused(
        "the norm's weight has 4 values",
        matvec_with((1, 256), |m| {
            let weight = m.x.range(0..4).unwrap();
            m.norm = Some(Norm { weight, eps: 0.0 });
        }),
    );
}

#[test]
fn types_that_are_not_packed() {
    for weight_type in [WeightType::F32, WeightType::Bf16] {
        refused("cannot be packed", |kernels, b| {
            repack(b, weight_type).launch(kernels).map(drop)
        });
    }
    refused("the rows of the table are paired", |kernels, b| {
        let embed = b.embed(WeightType::F16, RowOrder::Paired);
        embed.launch(kernels).map(drop)
    });
}
