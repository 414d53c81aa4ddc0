//! Launches of packed rows and of products of packed weights.

use std::sync::Arc;

use cuda_kernels::driver::fake::FakeDriver;
use cuda_kernels::launch::{
    Epilogue, Gemm, GemmSwiglu, LaunchCost, PackRows, PackSource, PackedWeight, RowOrder,
    packed_rows_bytes,
};
use cuda_kernels::{Buffer, CudaError, Device, Kernels, WeightType};

use super::fake_device;

/// Rows of a weight, and values of each.
const OUTPUTS: usize = 1152;
const WIDTH: usize = 1024;
/// Rows that the portable kernel, and that 128 and 256 rows at a time are best for.
const FEW: usize = 3;
const MANY: usize = 2048;

struct Buffers {
    units: Buffer<u8>,
    x: Buffer<u8>,
    rows: Buffer<f32>,
    out: Buffer<f32>,
    packed: Buffer<u8>,
}

impl Buffers {
    fn new(device: &Device) -> Result<Self, CudaError> {
        Ok(Self {
            units: device.zeroed(OUTPUTS * WIDTH * 2)?,
            x: device.zeroed(packed_rows_bytes(MANY, WIDTH))?,
            rows: device.zeroed(FEW * WIDTH)?,
            out: device.zeroed(MANY * OUTPUTS)?,
            packed: device.zeroed(packed_rows_bytes(MANY, OUTPUTS / 2))?,
        })
    }
}

fn weight(units: &Buffer<u8>, weight_type: WeightType, order: RowOrder) -> PackedWeight<'_> {
    PackedWeight {
        units: units.view(),
        weight_type,
        n_rows: OUTPUTS,
        row_len: WIDTH,
        order,
    }
}

fn gemm(b: &mut Buffers, weight_type: WeightType, n_rows: usize) -> Gemm<'_> {
    let weight = weight(&b.units, weight_type, RowOrder::Plain);
    Gemm {
        weight,
        x: b.x.view(),
        out: b.out.view_mut(),
        n_rows,
        first_output: 0,
        out_width: OUTPUTS,
        epilogue: Epilogue::Store,
    }
}

fn swiglu(b: &mut Buffers, weight_type: WeightType, n_rows: usize) -> GemmSwiglu<'_> {
    let weight = weight(&b.units, weight_type, RowOrder::Paired);
    GemmSwiglu {
        weight,
        x: b.x.view(),
        out: b.packed.view_mut(),
        scratch: b.out.view_mut(),
        with_sums: true,
        n_rows,
    }
}

fn packed_types() -> impl Iterator<Item = WeightType> {
    WeightType::ALL
        .into_iter()
        .filter(|weight_type| !matches!(weight_type, WeightType::F32 | WeightType::Bf16))
}

/// Every kernel of every format, and what each costs.
pub(crate) fn every_launch(
    device: &Device,
    kernels: &Kernels,
) -> Result<Vec<LaunchCost>, CudaError> {
    let mut b = Buffers::new(device)?;
    let mut costs = Vec::new();
    for weight_type in packed_types() {
        for n_rows in [FEW, MANY / 2, MANY] {
            costs.push(gemm(&mut b, weight_type, n_rows).launch(kernels)?);
        }
        costs.push(swiglu(&mut b, weight_type, MANY / 2).launch(kernels)?);
        let mut adding = gemm(&mut b, weight_type, MANY);
        adding.epilogue = Epilogue::Accumulate;
        costs.push(adding.launch(kernels)?);
    }
    costs.push(swiglu(&mut b, WeightType::F16, MANY).launch(kernels)?);
    let x = b.rows.view();
    let norm = PackSource::Norm {
        x,
        weight: x,
        eps: 1e-6,
    };
    let sources = [
        (PackSource::Rows(x), WIDTH),
        (norm, WIDTH),
        (PackSource::Swiglu(x), WIDTH / 2),
    ];
    for (source, width) in sources {
        let pack = PackRows {
            source,
            out: b.packed.view_mut(),
            n_rows: FEW,
            width,
        };
        costs.push(pack.launch(kernels)?);
    }
    Ok(costs)
}

fn kernel_for(n_rows: usize, compute_capability: (i32, i32)) -> String {
    let fake = Arc::new(FakeDriver::with_devices(1, compute_capability));
    let device = Device::open_with(fake.clone(), 0).unwrap();
    let kernels = Kernels::load(&device).unwrap();
    let mut b = Buffers::new(&device).unwrap();
    gemm(&mut b, WeightType::F16, n_rows)
        .launch(&kernels)
        .unwrap();
    fake.launches().pop().unwrap().kernel
}

#[test]
fn the_kernel_depends_on_the_shape_and_the_device() {
    assert_eq!(kernel_for(FEW, (9, 0)), "gemm_f16_rows32");
    assert_eq!(kernel_for(MANY / 2, (9, 0)), "gemm_f16_rows128");
    assert_eq!(kernel_for(MANY, (9, 0)), "gemm_f16_rows256");
    assert_eq!(kernel_for(MANY, (8, 0)), "gemm_f16_rows32");
}

/// Runs a launch that must be refused with these words.
fn refused(words: &str, launch: impl FnOnce(&Kernels, &mut Buffers) -> Result<(), CudaError>) {
    let (_, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut buffers = Buffers::new(&device).unwrap();
    let error = launch(&kernels, &mut buffers).expect_err(words);
    assert!(matches!(error, CudaError::Shape { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    refused("F32 values cannot be packed", |kernels, b| {
        gemm(b, WeightType::F32, FEW).launch(kernels).map(drop)
    });
    refused("packed rows of 1024", |kernels, b| {
        gemm(b, WeightType::Q8_0, MANY + 1)
            .launch(kernels)
            .map(drop)
    });
    refused("units has", |kernels, b| {
        let mut launch = gemm(b, WeightType::F16, FEW);
        launch.weight.n_rows += 16;
        launch.out_width += 16;
        launch.launch(kernels).map(drop)
    });
    refused("outputs from column 1 on of 1152", |kernels, b| {
        let mut launch = gemm(b, WeightType::F16, FEW);
        launch.first_output = 1;
        launch.launch(kernels).map(drop)
    });
    refused("bias has 1 values", |kernels, b| {
        let bias = kernels.device().zeroed::<f32>(1)?;
        let mut launch = gemm(b, WeightType::F16, FEW);
        launch.epilogue = Epilogue::Bias(bias.view());
        launch.launch(kernels).map(drop)
    });
    refused("not paired", |kernels, b| {
        let mut launch = swiglu(b, WeightType::F16, FEW);
        launch.weight.order = RowOrder::Plain;
        launch.launch(kernels).map(drop)
    });
    refused("values cannot be packed", |kernels, b| {
        let mut launch = swiglu(b, WeightType::F16, FEW);
        launch.weight.n_rows -= 1;
        launch.launch(kernels).map(drop)
    });
    refused("x has 3072 values, not [4][1][1024]", |kernels, b| {
        let pack = PackRows {
            source: PackSource::Rows(b.rows.view()),
            out: b.x.view_mut(),
            n_rows: FEW + 1,
            width: WIDTH,
        };
        pack.launch(kernels).map(drop)
    });
}
