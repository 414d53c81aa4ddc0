//! Typed device memory, and views of parts of it.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use crate::arena::Region;
use crate::device::Device;
use crate::driver::DevicePtr;
use crate::error::CudaError;
use crate::launch::{SampleParams, SampleResult, SampleState};

mod sealed {
    pub trait Sealed {}
}

/// What a buffer may hold: the types that kernels know.
pub trait Element: bytemuck::Pod + sealed::Sealed {}

macro_rules! elements {
    ($($element:ty),*) => {$(
        impl sealed::Sealed for $element {}
        impl Element for $element {}
    )*};
}
elements!(f32, half::f16, u8, u32, u64);
elements!(SampleParams, SampleState, SampleResult);

/// Bytes that the driver copies aside before it returns; for more it waits for the device.
const COPIED_AT_ONCE: usize = 64 << 10;

/// Device memory for a fixed number of values: of its own, or a part of an [`crate::Arena`]. Memory
/// is given back when nobody has a part of it any more.
///
/// Reads and writes are ordered with the launches on the same device.
pub struct Buffer<T: Element> {
    device: Device,
    at: DevicePtr,
    len: usize,
    _region: Arc<Region>,
    element: PhantomData<T>,
}

impl<T: Element> Buffer<T> {
    /// See [`Device::zeroed`].
    pub(crate) fn zeroed(device: &Device, len: usize) -> Result<Self, CudaError> {
        let buffer = Self::alloc(device, len)?;
        let (at, bytes) = (buffer.at, buffer.bytes());
        device.call("cuMemsetD8Async", |driver, stream| {
            // SAFETY: the buffer's own memory.
            unsafe { driver.clear(at, bytes, stream) }
        })?;
        Ok(buffer)
    }

    /// See [`Device::upload`].
    pub(crate) fn upload(device: &Device, values: &[T]) -> Result<Self, CudaError> {
        let mut buffer = Self::alloc(device, values.len())?;
        buffer.write(0, values)?;
        Ok(buffer)
    }

    /// Memory of unknown content: never handed out without being written.
    fn alloc(device: &Device, len: usize) -> Result<Self, CudaError> {
        let region = Region::alloc(device, len.saturating_mul(size_of::<T>()))?;
        let at = region.at();
        Ok(Self::within(Arc::new(region), at, len))
    }

    /// A part of a region that nobody else has.
    pub(crate) fn within(region: Arc<Region>, at: DevicePtr, len: usize) -> Self {
        Self {
            device: region.device().clone(),
            at,
            len,
            _region: region,
            element: PhantomData,
        }
    }

    fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Values.
    #[allow(
        clippy::len_without_is_empty,
        reason = "a fixed capacity, not a collection"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// All of it, to read.
    pub fn view(&self) -> View<'_, T> {
        View {
            at: self.at,
            len: self.len,
            buffer: PhantomData,
        }
    }

    /// All of it, to write.
    pub fn view_mut(&mut self) -> ViewMut<'_, T> {
        ViewMut {
            at: self.at,
            len: self.len,
            buffer: PhantomData,
        }
    }

    /// Sets the values from `first` on.
    ///
    /// # Errors
    /// [`CudaError::Range`], or the call failed.
    pub fn write(&mut self, first: usize, values: &[T]) -> Result<(), CudaError> {
        let end = first.saturating_add(values.len());
        let part = self.view().range(first..end)?;
        if values.is_empty() {
            return Ok(());
        }
        if size_of_val(values) > COPIED_AT_ONCE {
            self.device.synchronize()?;
        }
        self.device.call("cuMemcpyHtoDAsync", |driver, stream| {
            // SAFETY: the range was checked against the buffer's own memory.
            unsafe { driver.copy_in(part.at, bytemuck::cast_slice(values), stream) }
        })
    }

    /// Fills `out` with the values from `first` on, after waiting for the work before.
    ///
    /// # Errors
    /// [`CudaError::Range`], a call or earlier work failed.
    pub fn read_into(&self, first: usize, out: &mut [T]) -> Result<(), CudaError> {
        let end = first.saturating_add(out.len());
        let part = self.view().range(first..end)?;
        // The copy itself waits without end, so it is made when there is nothing to wait for.
        self.device.synchronize()?;
        if out.is_empty() {
            return Ok(());
        }
        self.device.call("cuMemcpyDtoHAsync", |driver, stream| {
            let bytes = bytemuck::cast_slice_mut(out);
            // SAFETY: the range was checked against the buffer's own memory.
            unsafe { driver.copy_out(bytes, part.at, stream) }
        })
    }

    /// The first `len` values, after waiting for the work before.
    ///
    /// # Errors
    /// [`CudaError::Range`], a call or earlier work failed.
    pub fn read(&self, len: usize) -> Result<Vec<T>, CudaError> {
        self.view().range(0..len)?;
        let mut values = vec![T::zeroed(); len];
        self.read_into(0, &mut values)?;
        Ok(values)
    }
}

/// A part of a [`Buffer`], to read.
pub struct View<'a, T: Element> {
    pub(crate) at: DevicePtr,
    pub(crate) len: usize,
    buffer: PhantomData<&'a Buffer<T>>,
}

/// A part of a [`Buffer`], to write.
pub struct ViewMut<'a, T: Element> {
    pub(crate) at: DevicePtr,
    pub(crate) len: usize,
    buffer: PhantomData<&'a mut Buffer<T>>,
}

impl<T: Element> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Element> Copy for View<'_, T> {}

fn offset<T>(at: DevicePtr, len: usize, range: &Range<usize>) -> Result<DevicePtr, CudaError> {
    let end = range.end.max(range.start);
    if end > len {
        return Err(CudaError::Range { end, len });
    }
    Ok(DevicePtr(at.0 + (range.start * size_of::<T>()) as u64))
}

impl<T: Element> View<'_, T> {
    /// Where it begins on the device: to tell parts apart.
    pub fn address(&self) -> u64 {
        self.at.0
    }

    /// Values `range` of it.
    ///
    /// # Errors
    /// [`CudaError::Range`]
    pub fn range(self, range: Range<usize>) -> Result<Self, CudaError> {
        Ok(Self {
            at: offset::<T>(self.at, self.len, &range)?,
            len: range.len(),
            buffer: PhantomData,
        })
    }
}

impl<'a, T: Element> ViewMut<'a, T> {
    /// Values `range` of it.
    ///
    /// # Errors
    /// [`CudaError::Range`]
    pub fn range(self, range: Range<usize>) -> Result<Self, CudaError> {
        Ok(Self {
            at: offset::<T>(self.at, self.len, &range)?,
            len: range.len(),
            buffer: PhantomData,
        })
    }

    /// The same part for a shorter time, so that it can be written again later.
    pub fn reborrow(&mut self) -> ViewMut<'_, T> {
        ViewMut {
            at: self.at,
            len: self.len,
            buffer: PhantomData,
        }
    }

    /// The same part, to read.
    pub fn as_view(&self) -> View<'_, T> {
        View {
            at: self.at,
            len: self.len,
            buffer: PhantomData,
        }
    }
}
