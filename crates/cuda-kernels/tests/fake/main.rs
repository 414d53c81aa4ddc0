//! What can be tested without a device: checks, failures, the committed PTX.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod devices;
mod every_launch;
mod failures;
mod gemm;
mod packed;
mod ptx;
mod shapes;
mod transfers;

use std::sync::Arc;

use cuda_kernels::Device;
use cuda_kernels::driver::fake::FakeDriver;

/// A fake driver and its device 0.
fn fake_device() -> (Arc<FakeDriver>, Device) {
    fake_device_of_cuda(12_040)
}

/// The same for a CUDA version.
fn fake_device_of_cuda(version: i32) -> (Arc<FakeDriver>, Device) {
    let fake = Arc::new(FakeDriver::new());
    fake.set_version(version);
    let device = Device::open_with(fake.clone(), 0).unwrap();
    (fake, device)
}
