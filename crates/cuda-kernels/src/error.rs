//! What can go wrong, and what to do about it.

use std::time::Duration;

use crate::driver::ResultCode;

/// An error of this crate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// libcuda is not on this machine.
    #[error("no CUDA driver: libcuda was not found; install the NVIDIA driver")]
    NoDriver,
    /// libcuda is the empty one that toolkits bring for linking.
    #[error("libcuda is a stub without a driver behind it: take it off the library path")]
    StubDriver,
    /// The driver is too old to have a function.
    #[error("the CUDA driver has no {symbol}: install one for CUDA 12.0 or later")]
    MissingSymbol {
        /// The function.
        symbol: &'static str,
    },
    /// A driver, but no device that it may use.
    #[error("the CUDA driver sees no device; check nvidia-smi and CUDA_VISIBLE_DEVICES")]
    NoDevice,
    /// No device of this number.
    #[error("no CUDA device {ordinal}: there are {n_devices}, counted from 0")]
    WrongOrdinal {
        /// The one asked for.
        ordinal: usize,
        /// How many there are.
        n_devices: usize,
    },
    /// The device lacks instructions that the kernels need.
    #[error("{device} has compute capability {major}.{minor}; the kernels need 8.0 or later")]
    TooOld {
        /// Name of the device.
        device: String,
        /// Compute capability.
        major: u32,
        /// Compute capability.
        minor: u32,
    },
    /// The driver does not know the PTX version of the kernels.
    #[error(
        "the driver of {device} is for CUDA {}.{}, the kernels in `{module}` need {}.{}: \
         update the NVIDIA driver", driver_cuda.0, driver_cuda.1, needed.0, needed.1
    )]
    UnsupportedPtx {
        /// Name of the device.
        device: String,
        /// Which module.
        module: &'static str,
        /// CUDA version of the driver.
        driver_cuda: (u32, u32),
        /// The first CUDA version whose drivers know it.
        needed: (u32, u32),
    },
    /// The driver's compiler refused a module.
    #[error("{device} refused the kernels in `{module}`: {code}\n{log}")]
    ModuleRejected {
        /// Name of the device.
        device: String,
        /// Which module.
        module: &'static str,
        /// What the driver returned.
        code: ResultCode,
        /// What its compiler said.
        log: String,
    },
    /// A module lacks a kernel.
    #[error("no kernel `{kernel}` in the module `{module}`: {code}")]
    MissingKernel {
        /// Which module.
        module: &'static str,
        /// The entry point.
        kernel: &'static str,
        /// What the driver returned.
        code: ResultCode,
    },
    /// Too little memory on the device.
    #[error("{device} is out of memory: {needed} bytes needed, {free} free")]
    OutOfMemory {
        /// Name of the device.
        device: String,
        /// Size of the allocation.
        needed: u64,
        /// What the device has left.
        free: u64,
    },
    /// A launch whose shapes do not fit together; nothing was launched.
    #[error("`{kernel}` on {device}: {reason}")]
    Shape {
        /// The entry point.
        kernel: &'static str,
        /// Name of the device.
        device: String,
        /// What does not fit.
        reason: String,
    },
    /// A range outside a buffer.
    #[error("{end} values wanted of a device buffer of {len}")]
    Range {
        /// One past the last value wanted.
        end: usize,
        /// Values in the buffer.
        len: usize,
    },
    /// A launch failed.
    #[error("`{kernel}` on {device}, {shape}: {code}")]
    Launch {
        /// The entry point.
        kernel: &'static str,
        /// Name of the device.
        device: String,
        /// Grid and block.
        shape: String,
        /// What the driver returned.
        code: ResultCode,
    },
    /// The device did not come to an end.
    #[error(
        "{device} hangs: no answer for {:.1} s; if this stays so after a restart, reset it with \
         nvidia-smi --gpu-reset", waited.as_secs_f32()
    )]
    Hung {
        /// Name of the device.
        device: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// An earlier error has made the device unusable for this process.
    #[error("{device} was lost earlier: {cause}")]
    Poisoned {
        /// Name of the device.
        device: String,
        /// The first such error.
        cause: String,
    },
    /// Any other call failed. Work is asynchronous: an earlier launch may be the cause.
    #[error("{call} on {device}: {code}")]
    Driver {
        /// The driver's function.
        call: &'static str,
        /// Name of the device, or its number.
        device: String,
        /// What it returned.
        code: ResultCode,
    },
}

impl CudaError {
    /// What the driver returned, if it was the driver that failed.
    pub fn code(&self) -> Option<ResultCode> {
        match self {
            Self::ModuleRejected { code, .. }
            | Self::MissingKernel { code, .. }
            | Self::Launch { code, .. }
            | Self::Driver { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether nothing can be done with the device any more: only a new process helps.
    pub fn is_poisoned(&self) -> bool {
        match self {
            Self::Hung { .. } | Self::Poisoned { .. } => true,
            other => other.code().is_some_and(ResultCode::is_sticky),
        }
    }
}
