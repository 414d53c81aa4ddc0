//! How fast this machine reads memory: the bound on decoding.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

/// Larger than the caches of the processors that this is run on.
const BUFFER_BYTES: usize = 256 << 20;

/// Passes, of which the fastest counts.
const PASSES: usize = 5;

/// Bytes that `threads` threads together read in a second, in units of 10^9.
pub(super) fn read_gb_per_s(threads: usize) -> f64 {
    // Not zeros: those may all be one page that was never touched.
    let buffer = vec![1_u64; BUFFER_BYTES / size_of::<u64>()];
    let share = buffer.len().div_ceil(threads);
    let pass = || {
        let started = Instant::now();
        thread::scope(|scope| {
            for part in buffer.chunks(share) {
                scope.spawn(|| black_box(part.iter().fold(0, |sum: u64, n| sum.wrapping_add(*n))));
            }
        });
        started.elapsed().as_secs_f64()
    };
    let fastest = (0..PASSES).map(|_| pass()).fold(f64::INFINITY, f64::min);
    BUFFER_BYTES as f64 / fastest / 1e9
}
