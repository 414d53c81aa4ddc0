//! Bytes of a file on their way to the device: copied through page-locked memory in chunks, so that
//! the host reads one while the device fetches the one before.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::buffer::{Buffer, View, ViewMut};
use crate::device::{Device, Point};
use crate::driver::{DevicePtr, Stream};
use crate::error::CudaError;
use crate::graph::Mark;
use crate::pinned::Pinned;

/// Bytes of a chunk, if no unit is larger.
const CHUNK_BYTES: usize = 8 << 20;
/// Chunks under way at a time.
const N_SLOTS: usize = 3;
/// Threads that fill a chunk: one alone is slower than the device.
const MAX_THREADS: usize = 4;
/// Bytes that are worth a thread.
const BYTES_PER_THREAD: usize = 1 << 20;

/// Copies large amounts of bytes to the device, in a stream of its own. What is launched after a
/// call sees its bytes, and its memory is not written before what was launched earlier is done.
pub struct Uploader {
    device: Device,
    stream: CopyStream,
    slots: Vec<Slot>,
    /// Where chunks wait on the device for kernels to repack them: one for each slot.
    staging: Vec<Buffer<u8>>,
    next_slot: usize,
    chunk_bytes: usize,
    n_threads: usize,
    /// Where one stream waits for the other.
    meeting: Mark,
}

struct Slot {
    memory: Pinned,
    copied: Mark,
    /// When the device has fetched it.
    pending: Option<Point>,
    /// When the staging of this slot was repacked.
    repacked: Mark,
}

impl Uploader {
    /// An uploader whose chunks hold at least `largest_unit` bytes; see [`Uploader::stage`].
    ///
    /// # Errors
    /// A call failed.
    pub fn new(device: &Device, largest_unit: usize) -> Result<Self, CudaError> {
        Self::with_chunks(device, CHUNK_BYTES.max(largest_unit))
    }

    /// An uploader with chunks of `chunk_bytes`, at least 1.
    ///
    /// # Errors
    /// A call failed.
    pub fn with_chunks(device: &Device, chunk_bytes: usize) -> Result<Self, CudaError> {
        let chunk_bytes = chunk_bytes.max(1);
        let slot = |_| -> Result<_, CudaError> {
            Ok(Slot {
                copied: Mark::new(device, false)?,
                repacked: Mark::new(device, false)?,
                memory: Pinned::new(device, chunk_bytes)?,
                pending: None,
            })
        };
        Ok(Self {
            device: device.clone(),
            stream: CopyStream::new(device)?,
            meeting: Mark::new(device, false)?,
            slots: (0..N_SLOTS).map(slot).collect::<Result<_, _>>()?,
            staging: Vec::new(),
            next_slot: 0,
            chunk_bytes,
            n_threads: thread::available_parallelism()
                .map_or(1, usize::from)
                .min(MAX_THREADS),
        })
    }

    /// Copies `from` to the beginning of `to`.
    ///
    /// # Errors
    /// [`CudaError::Range`], or a call or earlier work failed.
    #[expect(clippy::needless_pass_by_value, reason = "as every launch takes it")]
    pub fn copy(&mut self, from: &[u8], to: ViewMut<'_, u8>) -> Result<(), CudaError> {
        if from.len() > to.len {
            let (end, len) = (from.len(), to.len);
            return Err(CudaError::Range { end, len });
        }
        self.begin()?;
        let outcome = self.copy_chunks(from, to.at);
        // Also after an error: what is under way writes to memory that may be given back.
        let end = self.end();
        outcome.and(end)
    }

    fn copy_chunks(&mut self, from: &[u8], to: DevicePtr) -> Result<(), CudaError> {
        for (index, chunk) in from.chunks(self.chunk_bytes).enumerate() {
            let at = DevicePtr(to.0 + (index * self.chunk_bytes) as u64);
            let slot = self.fill(chunk)?;
            self.send(slot, at, chunk.len())?;
        }
        Ok(())
    }

    /// Copies `from` chunk by chunk to a staging area on the device, and lets `then` launch what
    /// reads it there, given the number of its first byte. Chunks are whole units of `unit` bytes;
    /// the last one may be a part of a unit.
    ///
    /// # Errors
    /// [`CudaError::Range`]: a unit is larger than a chunk. That of `then`, or a call failed.
    pub fn stage<E: From<CudaError>>(
        &mut self,
        from: &[u8],
        unit: usize,
        mut then: impl FnMut(usize, View<'_, u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if unit == 0 || unit > self.chunk_bytes {
            let (end, len) = (unit, self.chunk_bytes);
            return Err(CudaError::Range { end, len }.into());
        }
        while self.staging.len() < N_SLOTS {
            self.staging.push(self.device.zeroed(self.chunk_bytes)?);
        }
        self.begin()?;
        let step = self.chunk_bytes / unit * unit;
        for (index, chunk) in from.chunks(step).enumerate() {
            let slot = self.fill(chunk)?;
            self.send_to_staging(slot, chunk.len())?;
            let staged = self.staging[slot].view().range(0..chunk.len())?;
            let outcome = then(index * step, staged);
            self.slots[slot].repacked.record()?;
            outcome?;
        }
        Ok(())
    }

    /// Waits until everything is there.
    ///
    /// # Errors
    /// A call or earlier work failed, or [`CudaError::Hung`].
    pub fn finish(self) -> Result<(), CudaError> {
        self.device.synchronize()
    }

    /// Lets copies wait for what was launched before.
    fn begin(&mut self) -> Result<(), CudaError> {
        self.meeting.record()?;
        self.wait_in(self.stream.stream, &self.meeting)
    }

    /// Lets what is launched later wait for the copies.
    fn end(&mut self) -> Result<(), CudaError> {
        self.meeting.record_in(self.stream.stream)?;
        self.device_waits(&self.meeting)
    }

    fn wait_in(&self, stream: Stream, mark: &Mark) -> Result<(), CudaError> {
        self.device.call("cuStreamWaitEvent", |driver, _| {
            // SAFETY: both are alive.
            unsafe { driver.stream_wait(stream, mark.event()) }
        })
    }

    fn device_waits(&self, mark: &Mark) -> Result<(), CudaError> {
        self.device.call("cuStreamWaitEvent", |driver, stream| {
            // SAFETY: both are alive.
            unsafe { driver.stream_wait(stream, mark.event()) }
        })
    }

    /// Fills the next slot as soon as the device has fetched what it held, and says which it is.
    fn fill(&mut self, chunk: &[u8]) -> Result<usize, CudaError> {
        let index = self.next_slot;
        let slot = &mut self.slots[index];
        if let Some(point) = slot.pending.take() {
            self.device.wait(point)?;
        }
        // SAFETY: the device has fetched it.
        let memory = unsafe { slot.memory.bytes_mut() };
        copy(chunk, &mut memory[..chunk.len()], self.n_threads);
        self.next_slot = (index + 1) % N_SLOTS;
        Ok(index)
    }

    /// Lets the device fetch a slot.
    fn send(&mut self, slot: usize, to: DevicePtr, bytes: usize) -> Result<(), CudaError> {
        let stream = self.stream.stream;
        let slot = &mut self.slots[slot];
        let from = slot.memory.at();
        self.device.call("cuMemcpyHtoDAsync", |driver, _| {
            // SAFETY: the caller checked that `to` has room. The slot is not touched before its
            // event, and neither is freed before the device's stream has waited for this one.
            unsafe { driver.copy_from_host(to, from, bytes, stream) }
        })?;
        // A byte each nanosecond is slow.
        self.device.ask_ns(bytes as u64);
        slot.pending = Some(slot.copied.record_in(stream)?);
        Ok(())
    }

    /// Lets the device fetch a slot to its staging area once that was repacked, and what is
    /// launched later wait for it.
    fn send_to_staging(&mut self, slot: usize, bytes: usize) -> Result<(), CudaError> {
        self.wait_in(self.stream.stream, &self.slots[slot].repacked)?;
        let sent = self.send(slot, self.staging[slot].view().at, bytes);
        self.device_waits(&self.slots[slot].copied)?;
        sent
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        // What is freed waits for the device's stream, and so for this one. If this fails, the
        // device is lost.
        let _ = self.end();
    }
}

/// Copies with several threads, which also share the work of reading a mapped file.
fn copy(from: &[u8], to: &mut [u8], n_threads: usize) {
    let n_threads = n_threads.min(from.len() / BYTES_PER_THREAD);
    if n_threads < 2 {
        return to.copy_from_slice(from);
    }
    let part = from.len().div_ceil(n_threads);
    let parts = Mutex::new(from.chunks(part).zip(to.chunks_mut(part)));
    let work = || {
        let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((from, to)) = next() {
            to.copy_from_slice(from);
        }
    };
    thread::scope(|scope| {
        for _ in 1..n_threads {
            // Without it this thread has more to do.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
}

/// A stream beside that of the device.
struct CopyStream {
    device: Device,
    stream: Stream,
}

impl CopyStream {
    fn new(device: &Device) -> Result<Self, CudaError> {
        let stream = device.call("cuStreamCreate", |driver, _| driver.stream_create())?;
        let device = device.clone();
        Ok(Self { device, stream })
    }
}

impl Drop for CopyStream {
    fn drop(&mut self) {
        // SAFETY: nobody else knows it.
        self.device
            .release_at_once(|driver| unsafe { driver.stream_destroy(self.stream) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_copy_every_byte() {
        for len in [0, 1, 3 * BYTES_PER_THREAD - 1, 5 * BYTES_PER_THREAD + 13] {
            let from: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut to = vec![0; len];
            copy(&from, &mut to, 4);
            assert!(from == to, "{len}");
        }
    }
}
