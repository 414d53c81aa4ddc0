//! One kernel without any model: `cargo run -p cuda-kernels --example one_kernel`.
//!
//! Multiplies a matrix of F32 weights by a vector, and says how fast.
#![allow(clippy::print_stdout, reason = "the output is what the example is for")]

use cuda_kernels::launch::{Epilogue, LaunchCost, Matmul, Weight};
use cuda_kernels::{CudaError, Device, Kernels, Stopwatch, WeightType, probe};

const OUTPUTS: usize = 4864;
const INPUTS: usize = 896;

fn main() -> Result<(), CudaError> {
    for device in probe()? {
        println!("{device:?}");
    }
    let device = Device::open(0)?;
    let kernels = Kernels::load(&device)?;

    let values: Vec<u8> = (0..OUTPUTS * INPUTS)
        .flat_map(|i| ((i % INPUTS) as f32 / INPUTS as f32).to_le_bytes())
        .collect();
    let weight = device.upload(&values)?;
    let x = device.upload(&vec![1.0_f32; INPUTS])?;
    let mut out = device.zeroed::<f32>(OUTPUTS)?;

    let mut cost = LaunchCost::default();
    let mut multiply = || -> Result<(), CudaError> {
        let launch = Matmul {
            weight: Weight {
                bytes: weight.view(),
                weight_type: WeightType::F32,
                n_rows: OUTPUTS,
                row_len: INPUTS,
            },
            x: x.view(),
            out: out.view_mut(),
            n_rows: 1,
            first_output: 0,
            out_width: OUTPUTS,
            epilogue: Epilogue::Store,
        };
        cost = launch.launch(&kernels)?;
        Ok(())
    };
    multiply()?;
    let ms = Stopwatch::new(&device)?.time_ms(&mut multiply)?;
    println!(
        "{:.1} us, {:.0} GB/s, every output is {}",
        ms * 1e3,
        cost.bytes as f64 / 1e6 / f64::from(ms),
        out.read(1)?[0],
    );
    Ok(())
}
