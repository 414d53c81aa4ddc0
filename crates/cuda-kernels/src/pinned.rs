//! Page-locked memory of the host, which the device reads and writes by itself.

use std::slice;

use crate::buffer::{Element, View};
use crate::device::{Device, Point};
use crate::driver::HostPtr;
use crate::error::CudaError;
use crate::graph::Mark;

/// Page-locked memory.
pub(crate) struct Pinned {
    device: Device,
    at: HostPtr,
    bytes: usize,
}

impl Pinned {
    /// Memory for so many bytes, at the alignment of a page.
    pub(crate) fn new(device: &Device, bytes: usize) -> Result<Self, CudaError> {
        device.count_allocation();
        let at = device.call("cuMemHostAlloc", |driver, _| {
            driver.host_alloc(bytes.max(1))
        })?;
        // The driver hands out memory with whatever is in it.
        // SAFETY: just allocated, so many bytes, and known to nobody.
        unsafe { at.pointer().write_bytes(0, bytes) };
        Ok(Self {
            device: device.clone(),
            at,
            bytes,
        })
    }

    pub(crate) fn at(&self) -> HostPtr {
        self.at
    }

    /// Its content.
    ///
    /// # Safety
    /// The device is not writing it.
    pub(crate) unsafe fn bytes(&self) -> &[u8] {
        // SAFETY: allocated and initialised for `self.bytes`, and the caller's promise.
        unsafe { slice::from_raw_parts(self.at.pointer(), self.bytes) }
    }

    /// Its content, to write.
    ///
    /// # Safety
    /// The device is neither reading nor writing it.
    pub(crate) unsafe fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.at.pointer(), self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: nobody else knows it, and copies under way are waited for; on a device that
        // hangs it is kept.
        self.device
            .release(|driver| unsafe { driver.host_free(self.at) });
    }
}

/// Results on their way to the host: the next step can be launched before the last one is read.
pub struct ReadBack<T: Element> {
    slots: Vec<Slot>,
    /// Slots that were filled, and those that were read, since the beginning.
    n_enqueued: usize,
    n_read: usize,
    capacity: usize,
    element: std::marker::PhantomData<T>,
}

struct Slot {
    memory: Pinned,
    mark: Mark,
    /// Values under way, and when they are there.
    pending: Option<(usize, Point)>,
}

impl<T: Element> ReadBack<T> {
    /// Room for `n_slots` results of at most `capacity` values, none of them read yet.
    ///
    /// # Errors
    /// A call failed.
    pub fn new(device: &Device, n_slots: usize, capacity: usize) -> Result<Self, CudaError> {
        let slot = |_| -> Result<_, CudaError> {
            Ok(Slot {
                mark: Mark::new(device, false)?,
                memory: Pinned::new(device, capacity.saturating_mul(size_of::<T>()))?,
                pending: None,
            })
        };
        Ok(Self {
            slots: (0..n_slots.max(1)).map(slot).collect::<Result<_, _>>()?,
            n_enqueued: 0,
            n_read: 0,
            capacity,
            element: std::marker::PhantomData,
        })
    }

    /// Copies what `from` holds once everything asked so far is done.
    ///
    /// # Errors
    /// [`CudaError::Range`]: more values than a slot has room for, or no slot is free, because
    /// nothing was read; or a call failed.
    pub fn enqueue(&mut self, from: View<'_, T>) -> Result<(), CudaError> {
        let (len, n_slots) = (from.len, self.slots.len());
        if len > self.capacity {
            let (end, len) = (len, self.capacity);
            return Err(CudaError::Range { end, len });
        }
        if self.n_enqueued - self.n_read == n_slots {
            let (end, len) = (n_slots + 1, n_slots);
            return Err(CudaError::Range { end, len });
        }
        let slot = &mut self.slots[self.n_enqueued % n_slots];
        let (to, bytes) = (slot.memory.at, len * size_of::<T>());
        if bytes > 0 {
            slot.memory
                .device
                .call("cuMemcpyDtoHAsync", |driver, stream| {
                    // SAFETY: both have room for it; the slot is not touched before its event, and
                    // both are freed only once the stream has come that far.
                    unsafe { driver.copy_to_host(to, from.at, bytes, stream) }
                })?;
        }
        slot.pending = Some((len, slot.mark.record()?));
        self.n_enqueued += 1;
        Ok(())
    }

    /// The oldest result that was not read, waiting for it; nothing if there is none.
    ///
    /// # Errors
    /// A call or earlier work failed, or [`CudaError::Hung`].
    pub fn wait(&mut self) -> Result<&[T], CudaError> {
        let n_slots = self.slots.len();
        let slot = &mut self.slots[self.n_read % n_slots];
        let Some((len, point)) = slot.pending else {
            return Ok(&[]);
        };
        slot.memory.device.wait(point)?;
        slot.pending = None;
        self.n_read += 1;
        // SAFETY: the copy is done, and another one needs `&mut self`.
        let bytes = unsafe { slot.memory.bytes() };
        Ok(bytemuck::cast_slice(&bytes[..len * size_of::<T>()]))
    }
}
