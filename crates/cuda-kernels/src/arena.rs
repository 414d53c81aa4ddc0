//! Device memory taken at once, and given out in parts.

use std::sync::Arc;

use crate::buffer::{Buffer, Element};
use crate::device::Device;
use crate::driver::{DevicePtr, ResultCode};
use crate::error::CudaError;

/// What every part of an arena begins at a multiple of, in bytes.
const ALIGNMENT: usize = 256;

/// What device memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryClass {
    /// Weights of a model.
    Weights,
    /// Keys and values.
    KvCache,
    /// Activations of a step.
    Activations,
    /// Whatever else kernels need.
    Scratch,
}

/// Bytes of device memory by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Weights of a model.
    pub weights: u64,
    /// Keys and values.
    pub kv_cache: u64,
    /// Activations of a step.
    pub activations: u64,
    /// Whatever else kernels need.
    pub scratch: u64,
}

impl MemoryUse {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.kv_cache + self.activations + self.scratch
    }

    fn of(&mut self, class: MemoryClass) -> &mut u64 {
        match class {
            MemoryClass::Weights => &mut self.weights,
            MemoryClass::KvCache => &mut self.kv_cache,
            MemoryClass::Activations => &mut self.activations,
            MemoryClass::Scratch => &mut self.scratch,
        }
    }
}

/// One allocation that many buffers are cut from. It is given back when the arena and every one of
/// its buffers are dropped; a single buffer gives nothing back to it.
pub struct Arena {
    region: Arc<Region>,
    taken: usize,
    in_use: MemoryUse,
    is_measuring: bool,
}

impl Device {
    /// An arena of so many bytes, all zero.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], or a call failed.
    pub fn arena(&self, bytes: usize) -> Result<Arena, CudaError> {
        let region = Region::alloc(self, bytes)?;
        let at = region.at;
        self.call("cuMemsetD8Async", |driver, stream| {
            // SAFETY: the region's own memory.
            unsafe { driver.clear(at, bytes.max(1), stream) }
        })?;
        Ok(Arena {
            region: Arc::new(region),
            taken: 0,
            in_use: MemoryUse::default(),
            is_measuring: false,
        })
    }

    /// What `build` makes, in one allocation of the size it needs: it is called twice, the first
    /// time to count.
    ///
    /// # Errors
    /// Those of [`Device::arena`] and of `build`.
    pub fn in_arena<T>(
        &self,
        mut build: impl FnMut(&mut Arena) -> Result<T, CudaError>,
    ) -> Result<T, CudaError> {
        let measured = self.measure(&mut build)?;
        build(&mut self.arena(measured.total() as usize)?)
    }

    /// The memory that `build` takes from an arena. It is called with one that has no memory and
    /// gives out buffers of no values.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn measure<T>(
        &self,
        build: impl FnOnce(&mut Arena) -> Result<T, CudaError>,
    ) -> Result<MemoryUse, CudaError> {
        let mut arena = Arena {
            region: Arc::new(Region::none(self)),
            taken: 0,
            in_use: MemoryUse::default(),
            is_measuring: true,
        };
        build(&mut arena)?;
        Ok(arena.in_use)
    }
}

impl Arena {
    /// Bytes of an arena that a buffer of `len` values takes.
    pub fn bytes_for<T: Element>(len: usize) -> usize {
        let bytes = len.saturating_mul(size_of::<T>());
        bytes
            .checked_next_multiple_of(ALIGNMENT)
            .unwrap_or(usize::MAX)
    }

    /// A buffer of `len` values, all zero.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`]: the arena is.
    pub fn zeroed<T: Element>(
        &mut self,
        len: usize,
        class: MemoryClass,
    ) -> Result<Buffer<T>, CudaError> {
        let bytes = Self::bytes_for::<T>(len);
        if self.is_measuring {
            *self.in_use.of(class) += bytes as u64;
            return Ok(Buffer::within(self.region.clone(), self.region.at, 0));
        }
        let free = self.region.bytes - self.taken.min(self.region.bytes);
        // The last buffer need not be followed by padding.
        if len.saturating_mul(size_of::<T>()) > free {
            return Err(CudaError::OutOfMemory {
                device: self.region.device.info().name.clone(),
                needed: bytes as u64,
                free: free as u64,
            });
        }
        let at = DevicePtr(self.region.at.0 + self.taken as u64);
        self.taken += bytes;
        *self.in_use.of(class) += bytes as u64;
        Ok(Buffer::within(self.region.clone(), at, len))
    }

    /// What its buffers are for.
    pub fn memory_use(&self) -> MemoryUse {
        self.in_use
    }
}

/// An allocation.
pub(crate) struct Region {
    device: Device,
    at: DevicePtr,
    bytes: usize,
}

impl Region {
    /// No memory at all.
    fn none(device: &Device) -> Self {
        Self {
            device: device.clone(),
            at: DevicePtr(0),
            bytes: 0,
        }
    }

    /// Memory of unknown content.
    pub(crate) fn alloc(device: &Device, bytes: usize) -> Result<Self, CudaError> {
        // The driver has no allocations of nothing; a byte more keeps every region real.
        let asked = bytes.max(1);
        device.count_allocation();
        match device.attempt(|driver, _| driver.alloc(asked))? {
            Ok(at) => Ok(Self {
                device: device.clone(),
                at,
                bytes,
            }),
            Err(ResultCode::OUT_OF_MEMORY) => Err(CudaError::OutOfMemory {
                device: device.info().name.clone(),
                needed: asked as u64,
                free: device.memory()?.free_bytes,
            }),
            Err(code) => device.call("cuMemAlloc", |_, _| Err(code)),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn at(&self) -> DevicePtr {
        self.at
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.at == DevicePtr(0) {
            return;
        }
        // SAFETY: views borrow buffers, and those hold their region, so nobody can launch with
        // them any more, and what was launched before is waited for.
        self.device
            .release(|driver| unsafe { driver.free(self.at) });
    }
}
