//! Devices: what is there, and one opened for work.

mod health;
mod primary;
mod turns;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::health::Health;
pub(crate) use self::health::Point;
use self::primary::{Primary, compute_capability, count, failed};
use self::turns::Turns;
use crate::buffer::{Buffer, Element};
use crate::driver::{Driver, Event, NativeDriver, Stream};
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

/// Whether a device of this machine is one that the kernels run on, as far as can be told without
/// opening it, which takes a moment.
///
/// # Errors
/// As [`probe`]; [`CudaError::WrongOrdinal`], [`CudaError::TooOld`].
pub fn check(ordinal: usize) -> Result<(), CudaError> {
    check_with(&NativeDriver::load()?, ordinal)
}

fn check_with(driver: &dyn Driver, ordinal: usize) -> Result<(), CudaError> {
    let n_devices = count(driver)?;
    if ordinal >= n_devices {
        return Err(CudaError::WrongOrdinal { ordinal, n_devices });
    }
    let (major, minor) = compute_capability(driver, ordinal)?;
    if (major, minor) >= OLDEST {
        return Ok(());
    }
    let name = driver.device_name(ordinal);
    let device = name.unwrap_or_else(|_| format!("device {ordinal}"));
    Err(CudaError::TooOld {
        device,
        major,
        minor,
    })
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
    /// Recorded when somebody waits for all that was asked.
    idle: Event,
    health: Health,
    turns: Turns,
    n_allocations: AtomicUsize,
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
        check_with(&*driver, ordinal)?;
        let primary = Primary::open(driver, ordinal)?;
        let info = primary.info()?;
        let stream = primary.call(|driver| driver.stream_create());
        let stream = stream.map_err(|code| failed("cuStreamCreate", &info.name, code))?;
        let idle = primary.call(|driver| driver.event_create(false));
        let idle = idle.map_err(|code| {
            // SAFETY: just made, and known to nobody.
            primary.release(|driver| unsafe { driver.stream_destroy(stream) });
            failed("cuEventCreate", &info.name, code)
        })?;
        Ok(Self(Arc::new(Opened {
            primary,
            info,
            stream,
            idle,
            turns: Turns::default(),
            health: Health::default(),
            n_allocations: AtomicUsize::new(0),
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
        self.attempt(|_, _| self.0.primary.memory())?
            .map_err(|code| self.noted(failed("cuMemGetInfo", &self.0.info.name, code)))
    }

    /// How often memory of the device, or page-locked memory of the host, was asked for.
    pub fn n_allocations(&self) -> usize {
        self.0.n_allocations.load(Ordering::Relaxed)
    }

    pub(crate) fn count_allocation(&self) {
        self.0.n_allocations.fetch_add(1, Ordering::Relaxed);
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
}

impl Drop for Opened {
    fn drop(&mut self) {
        if self.health.hangs() {
            return;
        }
        let (stream, idle) = (self.stream, self.idle);
        // SAFETY: whoever used them held this device.
        self.primary
            .release(|driver| unsafe { driver.event_destroy(idle) });
        // SAFETY: as above.
        self.primary
            .release(|driver| unsafe { driver.stream_destroy(stream) });
    }
}
