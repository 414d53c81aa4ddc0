//! Which GPUs there are, and what their errors are called here.

use cuda_kernels::{CudaError, DeviceInfo};

use crate::error::{Error, Result};

/// Every GPU of this machine, also those that cannot be used.
///
/// # Errors
/// [`Error::DeviceUnavailable`]: there is none, or no driver.
pub fn devices() -> Result<Vec<DeviceInfo>> {
    cuda_kernels::probe().map_err(unavailable(0))
}

/// Whether there is a GPU of this number that the kernels run on, as far as can be told without
/// opening it.
///
/// # Errors
/// [`Error::DeviceUnavailable`] with the reason.
pub fn check(ordinal: usize) -> Result<()> {
    cuda_kernels::check(ordinal).map_err(unavailable(ordinal))
}

/// A GPU in a few words.
pub fn describe(info: &DeviceInfo) -> String {
    let (major, minor) = info.compute_capability;
    let (cuda, cuda_minor) = info.driver_cuda;
    format!(
        "cuda:{} ({}, compute capability {major}.{minor}, driver for CUDA {cuda}.{cuda_minor})",
        info.ordinal, info.name
    )
}

/// What an error of opening a GPU is called here.
pub(super) fn unavailable(ordinal: usize) -> impl Fn(CudaError) -> Error {
    move |error| {
        let reason = error.to_string();
        if error.is_poisoned() {
            return Error::DeviceFailed { op: "open", reason };
        }
        let device = format!("cuda:{ordinal}");
        Error::DeviceUnavailable { device, reason }
    }
}

/// What an error of an operation is called here.
pub(super) fn failed(op: &'static str) -> impl Fn(CudaError) -> Error {
    move |error| match error {
        CudaError::OutOfMemory {
            device,
            needed,
            free,
        } => Error::OutOfMemory {
            needed,
            available: free,
            advice: format!("{device} is full: use a smaller model or a shorter context"),
        },
        error => Error::DeviceFailed {
            op,
            reason: error.to_string(),
        },
    }
}
