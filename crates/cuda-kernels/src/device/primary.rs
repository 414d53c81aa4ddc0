//! A device's primary context.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{DeviceInfo, MemoryInfo};
use crate::driver::{Attribute, Context, Driver, Outcome, ResultCode};
use crate::error::CudaError;

/// Starts the driver and counts its devices.
pub(super) fn count(driver: &dyn Driver) -> Result<usize, CudaError> {
    driver.init().map_err(|code| match code {
        ResultCode::STUB_LIBRARY => CudaError::StubDriver,
        ResultCode::NO_DEVICE => CudaError::NoDevice,
        code => failed("cuInit", "this machine", code),
    })?;
    match driver.device_count() {
        Ok(0) | Err(ResultCode::NO_DEVICE) => Err(CudaError::NoDevice),
        Ok(n_devices) => Ok(n_devices),
        Err(code) => Err(failed("cuDeviceGetCount", "this machine", code)),
    }
}

/// An error of a call that has no better one.
pub(super) fn failed(call: &'static str, device: &str, code: ResultCode) -> CudaError {
    let device = device.to_owned();
    CudaError::Driver { call, device, code }
}

/// As (9, 0).
pub(super) fn compute_capability(
    driver: &dyn Driver,
    ordinal: usize,
) -> Result<(u32, u32), CudaError> {
    let major = ask(driver, ordinal, Attribute::Major)?;
    Ok((major, ask(driver, ordinal, Attribute::Minor)?))
}

fn ask(driver: &dyn Driver, ordinal: usize, attribute: Attribute) -> Result<u32, CudaError> {
    let value = driver.device_attribute(ordinal, attribute);
    let on = || format!("device {ordinal}");
    let value = value.map_err(|code| failed("cuDeviceGetAttribute", &on(), code))?;
    Ok(u32::try_from(value).unwrap_or(0))
}

/// A device's primary context, held.
pub(super) struct Primary {
    driver: Arc<dyn Driver>,
    ordinal: usize,
    context: Context,
    /// Whether a call that waits for the device would wait for ever.
    pub(super) hangs: AtomicBool,
}

impl Primary {
    pub(super) fn open(driver: Arc<dyn Driver>, ordinal: usize) -> Result<Self, CudaError> {
        let context = driver.context_retain(ordinal);
        let context = context.map_err(|code| {
            failed(
                "cuDevicePrimaryCtxRetain",
                &format!("device {ordinal}"),
                code,
            )
        })?;
        Ok(Self {
            driver,
            ordinal,
            context,
            hangs: AtomicBool::new(false),
        })
    }

    /// Makes a call with this context as the thread's own.
    pub(super) fn call<T>(&self, f: impl FnOnce(&dyn Driver) -> Outcome<T>) -> Outcome<T> {
        // SAFETY: the context is held until `self` is dropped.
        unsafe { self.driver.context_make_current(self.context) }?;
        f(&*self.driver)
    }

    /// Gives something back, also if the context cannot be made current: handles and addresses
    /// name what they are of. What cannot be given back goes with its context.
    pub(super) fn release(&self, f: impl FnOnce(&dyn Driver) -> Outcome<()>) {
        // SAFETY: the context is held until `self` is dropped.
        let _ = unsafe { self.driver.context_make_current(self.context) };
        let _ = f(&*self.driver);
    }

    pub(super) fn memory(&self) -> Outcome<MemoryInfo> {
        let (free_bytes, total_bytes) = self.call(|driver| driver.memory_info())?;
        Ok(MemoryInfo {
            free_bytes,
            total_bytes,
        })
    }

    pub(super) fn info(&self) -> Result<DeviceInfo, CudaError> {
        let (driver, ordinal) = (&self.driver, self.ordinal);
        let on = format!("device {ordinal}");
        let n_multiprocessors = ask(&**driver, ordinal, Attribute::Multiprocessors)?;
        let name = driver.device_name(ordinal);
        let version = driver.version();
        let version = version.map_err(|code| failed("cuDriverGetVersion", &on, code))?;
        let version = u32::try_from(version).unwrap_or(0);
        let memory = self.memory();
        Ok(DeviceInfo {
            ordinal,
            name: name.map_err(|code| failed("cuDeviceGetName", &on, code))?,
            compute_capability: compute_capability(&**driver, ordinal)?,
            n_multiprocessors,
            driver_cuda: (version / 1000, version % 1000 / 10),
            memory: memory.map_err(|code| failed("cuMemGetInfo", &on, code))?,
        })
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        if self.hangs.load(Ordering::Relaxed) {
            return;
        }
        // A context that cannot be released is lost already.
        let _ = self.driver.context_release(self.ordinal);
    }
}
