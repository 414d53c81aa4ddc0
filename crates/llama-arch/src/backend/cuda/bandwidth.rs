//! How fast a GPU reads its memory: the bound on decoding.

use cuda_kernels::{Bandwidth, Device, Kernels};

use super::device::{failed, unavailable};
use crate::error::Result;

/// Bytes that a GPU reads from its memory in a second, in units of 10^9.
///
/// # Errors
/// [`crate::Error::DeviceUnavailable`], [`crate::Error::OutOfMemory`], or the device failed.
pub fn read_gb_per_s(ordinal: usize) -> Result<f64> {
    let device = Device::open(ordinal).map_err(unavailable(ordinal))?;
    let kernels = Kernels::load(&device).map_err(unavailable(ordinal))?;
    let bandwidth = Bandwidth::measure(&kernels).map_err(failed("read_bandwidth"))?;
    Ok(bandwidth.read / 1e9)
}
