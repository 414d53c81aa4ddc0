//! Devices: what is there, and one opened for work.

use std::sync::Arc;

use crate::buffer::{Buffer, Element};
use crate::driver::{Attribute, Context, Driver, NativeDriver, Outcome, ResultCode, Stream};
use crate::error::CudaError;

/// The oldest compute capability whose instructions the kernels use no more than.
const OLDEST: (u32, u32) = (8, 0);

/// A device and its driver.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceInfo {
    /// Its number, counted from 0 over the visible ones.
    pub ordinal: usize,
    /// As the driver calls it.
    pub name: String,
    /// Compute capability, as (9, 0).
    pub compute_capability: (u32, u32),
    /// Streaming multiprocessors.
    pub n_multiprocessors: u32,
    /// CUDA version of the driver, as (12, 4).
    pub driver_cuda: (u32, u32),
    /// Memory, and what of it is free.
    pub memory: MemoryInfo,
}

/// Bytes of a device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// Not allocated by any program.
    pub free_bytes: u64,
    /// All of it.
    pub total_bytes: u64,
}

/// Every device of this machine, also those that are too old to open. Never panics.
///
/// To see what memory is free it starts a context on each, which takes a moment.
///
/// # Errors
/// [`CudaError::NoDriver`], [`CudaError::StubDriver`], [`CudaError::NoDevice`], or a call failed.
pub fn probe() -> Result<Vec<DeviceInfo>, CudaError> {
    let driver: Arc<dyn Driver> = Arc::new(NativeDriver::load()?);
    probe_with(&driver)
}

/// [`probe`] through another driver.
///
/// # Errors
/// As [`probe`].
pub fn probe_with(driver: &Arc<dyn Driver>) -> Result<Vec<DeviceInfo>, CudaError> {
    let n_devices = count(&**driver)?;
    let open = |ordinal| Primary::open(driver.clone(), ordinal)?.info();
    (0..n_devices).map(open).collect()
}

/// Starts the driver and counts its devices.
fn count(driver: &dyn Driver) -> Result<usize, CudaError> {
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

fn failed(call: &'static str, device: &str, code: ResultCode) -> CudaError {
    let device = device.to_owned();
    CudaError::Driver { call, device, code }
}

/// A device's primary context, held.
struct Primary {
    driver: Arc<dyn Driver>,
    ordinal: usize,
    context: Context,
}

impl Primary {
    fn open(driver: Arc<dyn Driver>, ordinal: usize) -> Result<Self, CudaError> {
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
        })
    }

    /// Makes a call with this context as the thread's own.
    fn call<T>(&self, f: impl FnOnce(&dyn Driver) -> Outcome<T>) -> Outcome<T> {
        // SAFETY: the context is held until `self` is dropped.
        unsafe { self.driver.context_make_current(self.context) }?;
        f(&*self.driver)
    }

    fn memory(&self) -> Outcome<MemoryInfo> {
        let (free_bytes, total_bytes) = self.call(|driver| driver.memory_info())?;
        Ok(MemoryInfo {
            free_bytes,
            total_bytes,
        })
    }

    fn info(&self) -> Result<DeviceInfo, CudaError> {
        let (driver, ordinal) = (&self.driver, self.ordinal);
        let on = format!("device {ordinal}");
        let ask = |attribute| {
            let value = driver.device_attribute(ordinal, attribute);
            let value = value.map_err(|code| failed("cuDeviceGetAttribute", &on, code))?;
            Ok::<_, CudaError>(u32::try_from(value).unwrap_or(0))
        };
        let name = driver.device_name(ordinal);
        let version = driver.version();
        let version = version.map_err(|code| failed("cuDriverGetVersion", &on, code))?;
        let version = u32::try_from(version).unwrap_or(0);
        let memory = self.memory();
        Ok(DeviceInfo {
            ordinal,
            name: name.map_err(|code| failed("cuDeviceGetName", &on, code))?,
            compute_capability: (ask(Attribute::Major)?, ask(Attribute::Minor)?),
            n_multiprocessors: ask(Attribute::Multiprocessors)?,
            driver_cuda: (version / 1000, version % 1000 / 10),
            memory: memory.map_err(|code| failed("cuMemGetInfo", &on, code))?,
        })
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        // A context that cannot be released is lost already.
        let _ = self.driver.context_release(self.ordinal);
    }
}

/// A device opened for work: its context and one stream, in which everything runs in order.
///
/// Clones are the same device. Buffers, kernels and graphs keep it open.
#[derive(Clone)]
pub struct Device(Arc<Opened>);

struct Opened {
    primary: Primary,
    info: DeviceInfo,
    stream: Stream,
}

impl Device {
    /// Opens a device of this machine.
    ///
    /// # Errors
    /// As [`probe`]; [`CudaError::WrongOrdinal`], [`CudaError::TooOld`].
    pub fn open(ordinal: usize) -> Result<Self, CudaError> {
        Self::open_with(Arc::new(NativeDriver::load()?), ordinal)
    }

    /// Opens a device through another driver.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open_with(driver: Arc<dyn Driver>, ordinal: usize) -> Result<Self, CudaError> {
        let n_devices = count(&*driver)?;
        if ordinal >= n_devices {
            return Err(CudaError::WrongOrdinal { ordinal, n_devices });
        }
        let primary = Primary::open(driver, ordinal)?;
        let info = primary.info()?;
        let (major, minor) = info.compute_capability;
        if (major, minor) < OLDEST {
            let device = info.name;
            return Err(CudaError::TooOld {
                device,
                major,
                minor,
            });
        }
        let stream = primary.call(|driver| driver.stream_create());
        let stream = stream.map_err(|code| failed("cuStreamCreate", &info.name, code))?;
        Ok(Self(Arc::new(Opened {
            primary,
            info,
            stream,
        })))
    }

    /// What it is; free memory as it was when it was opened.
    pub fn info(&self) -> &DeviceInfo {
        &self.0.info
    }

    /// Memory now.
    ///
    /// # Errors
    /// The call failed.
    pub fn memory(&self) -> Result<MemoryInfo, CudaError> {
        let memory = self.0.primary.memory();
        memory.map_err(|code| failed("cuMemGetInfo", &self.0.info.name, code))
    }

    /// Waits for everything asked of the device so far, and says whether it went well.
    ///
    /// # Errors
    /// Any kernel before failed, or the call did.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        self.call("cuStreamSynchronize", |driver, stream| {
            // SAFETY: the stream lives as long as the device.
            unsafe { driver.stream_synchronize(stream) }
        })
    }

    /// Memory for `len` values, all zero.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], or a call failed.
    pub fn zeroed<T: Element>(&self, len: usize) -> Result<Buffer<T>, CudaError> {
        Buffer::zeroed(self, len)
    }

    /// Memory that holds `values`.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], or a call failed.
    pub fn upload<T: Element>(&self, values: &[T]) -> Result<Buffer<T>, CudaError> {
        Buffer::upload(self, values)
    }

    /// Makes a call in this device's context, naming it and the device in the error.
    pub(crate) fn call<T>(
        &self,
        call: &'static str,
        f: impl FnOnce(&dyn Driver, Stream) -> Outcome<T>,
    ) -> Result<T, CudaError> {
        let outcome = self.raw_call(f);
        outcome.map_err(|code| failed(call, &self.0.info.name, code))
    }

    /// [`Device::call`] for callers with an error of their own.
    pub(crate) fn raw_call<T>(
        &self,
        f: impl FnOnce(&dyn Driver, Stream) -> Outcome<T>,
    ) -> Outcome<T> {
        let stream = self.0.stream;
        self.0.primary.call(|driver| f(driver, stream))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let stream = self.stream;
        // SAFETY: whoever used the stream held this device.
        let destroy = |driver: &dyn Driver| unsafe { driver.stream_destroy(stream) };
        // A stream that cannot be destroyed goes with its context.
        let _ = self.primary.call(destroy);
    }
}
