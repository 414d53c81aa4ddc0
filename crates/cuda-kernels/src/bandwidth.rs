//! How fast a device's memory is: what measured times are to be held against.

use crate::buffer::Buffer;
use crate::device::Device;
use crate::error::CudaError;
use crate::graph::Stopwatch;
use crate::launch::ReadBandwidth;
use crate::modules::Kernels;

/// Most bytes that are read: far more than any cache holds.
const MAX_BYTES: u64 = 1 << 30;
/// Blocks that run on a multiprocessor at a time.
const BLOCKS: usize = 8;
/// Measurements of which the median is taken, after one that does not count.
const ROUNDS: usize = 9;

/// Bytes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bandwidth {
    /// Reading alone.
    pub read: f64,
    /// Copying, counting a byte when it is read and when it is written.
    pub copy: f64,
}

impl Bandwidth {
    /// Measures it with a buffer of a quarter of the free memory, at most 1 GiB, for some
    /// milliseconds.
    ///
    /// # Errors
    /// [`CudaError::OutOfMemory`], or a call failed.
    pub fn measure(kernels: &Kernels) -> Result<Self, CudaError> {
        let device = kernels.device();
        let bytes = (device.memory()?.free_bytes / 4).min(MAX_BYTES);
        // Two halves of whole vectors.
        let half = (bytes / 32 * 4).max(4) as usize;
        let mut words = device.zeroed::<u32>(2 * half)?;
        let n_multiprocessors = device.info().n_multiprocessors.max(1) as usize;
        let mut out = device.zeroed::<u32>(n_multiprocessors * BLOCKS * ReadBandwidth::THREADS)?;
        let stopwatch = Stopwatch::new(device)?;
        let seconds = median_seconds(&stopwatch, || {
            let (words, out) = (words.view(), out.view_mut());
            ReadBandwidth { words, out }.launch(kernels).map(drop)
        })?;
        let read = (2 * half * size_of::<u32>()) as f64 / seconds;
        let seconds = median_seconds(&stopwatch, || copy_half(device, &mut words))?;
        let copy = (2 * half * size_of::<u32>()) as f64 / seconds;
        Ok(Self { read, copy })
    }
}

fn median_seconds(
    stopwatch: &Stopwatch,
    mut work: impl FnMut() -> Result<(), CudaError>,
) -> Result<f64, CudaError> {
    work()?;
    let mut times = [0.0; ROUNDS];
    for time in &mut times {
        *time = stopwatch.time_ms(&mut work)?;
    }
    times.sort_by(f32::total_cmp);
    Ok(f64::from(times[ROUNDS / 2]) / 1e3)
}

/// Copies the first half of a buffer to the second.
fn copy_half(device: &Device, words: &mut Buffer<u32>) -> Result<(), CudaError> {
    let half = words.len() / 2;
    let from = words.view().range(0..half)?.at;
    let to = words.view_mut().range(half..2 * half)?.at;
    device.call("cuMemcpyDtoDAsync", |driver, stream| {
        // SAFETY: both are parts of a live buffer, half of it each.
        unsafe { driver.copy_within(to, from, half * size_of::<u32>(), stream) }
    })
}
