//! Calls to a device that may be lost, and waiting for one that may hang.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Device;
use super::primary::failed;
use super::turns::Recording;
use crate::driver::{Driver, Event, Outcome, Stream};
use crate::error::CudaError;
use crate::launch::LaunchCost;

/// What became of a device.
pub(super) struct Health {
    /// The first error after which nothing can be done with it.
    lost: OnceLock<Lost>,
    /// How long the device may take for nothing.
    patience_ns: AtomicU64,
    /// Time that a slow device would need for all that it was asked for, and for what is done.
    asked_ns: AtomicU64,
    done_ns: AtomicU64,
}

/// Why a device is lost.
struct Lost {
    cause: String,
    hangs: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            lost: OnceLock::new(),
            patience_ns: AtomicU64::new(10_000_000_000),
            asked_ns: AtomicU64::new(0),
            done_ns: AtomicU64::new(0),
        }
    }
}

impl Health {
    /// Whether a call that waits for the device would wait for ever.
    pub(super) fn hangs(&self) -> bool {
        self.lost.get().is_some_and(|lost| lost.hangs)
    }
}

/// Time that a device slower than any would need. An H200 is a hundred times as fast and more.
fn slow_ns(cost: LaunchCost) -> u64 {
    const NS_PER_LAUNCH: u64 = 100_000;
    const BYTES_PER_NS: u64 = 10;
    const FLOPS_PER_NS: u64 = 100;
    NS_PER_LAUNCH + cost.bytes / BYTES_PER_NS + cost.flops / FLOPS_PER_NS
}

/// A point in the device's work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    event: Event,
    /// What was asked of the device up to it.
    asked_ns: u64,
}

impl Device {
    /// How long a device may take beyond the time that its work would need on a slow one, before
    /// it is taken to hang: 10 seconds, if nothing else is said.
    pub fn set_patience(&self, patience: Duration) {
        let nanoseconds = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.0
            .health
            .patience_ns
            .store(nanoseconds, Ordering::Relaxed);
    }

    /// Waits for everything asked of the device so far, and says whether it went well.
    ///
    /// # Errors
    /// Any kernel before failed, the call did, or [`CudaError::Hung`].
    pub fn synchronize(&self) -> Result<(), CudaError> {
        let point = self.record(self.0.idle)?;
        self.wait(point)
    }

    /// Adds to what the device was asked for.
    pub(crate) fn ask(&self, cost: LaunchCost) -> u64 {
        let ns = slow_ns(cost);
        self.ask_ns(ns);
        ns
    }

    /// The same in nanoseconds of a slow device.
    pub(crate) fn ask_ns(&self, ns: u64) {
        self.0.health.asked_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// What was asked of the device so far.
    pub(crate) fn asked_ns(&self) -> u64 {
        self.0.health.asked_ns.load(Ordering::Relaxed)
    }

    /// Marks the end of what was asked so far by an event, which must be alive.
    pub(crate) fn record(&self, event: Event) -> Result<Point, CudaError> {
        self.call("cuEventRecord", |driver, stream| {
            // SAFETY: event and stream are alive.
            unsafe { driver.event_record(event, stream) }
        })?;
        Ok(self.point(event))
    }

    /// The point that an event was just recorded at, in whichever stream.
    pub(crate) fn point(&self, event: Event) -> Point {
        let asked_ns = self.asked_ns();
        Point { event, asked_ns }
    }

    /// Waits until the device has come to a point; its event is still alive.
    pub(crate) fn wait(&self, point: Point) -> Result<(), CudaError> {
        let health = &self.0.health;
        let slack = point
            .asked_ns
            .saturating_sub(health.done_ns.load(Ordering::Relaxed));
        let patience = health
            .patience_ns
            .load(Ordering::Relaxed)
            .saturating_add(slack);
        let patience = Duration::from_nanos(patience);
        let start = Instant::now();
        loop {
            let is_there = self.call("cuEventQuery", |driver, _| {
                // SAFETY: the caller's promise.
                unsafe { driver.event_query(point.event) }
            })?;
            if is_there {
                health.done_ns.fetch_max(point.asked_ns, Ordering::Relaxed);
                return Ok(());
            }
            let waited = start.elapsed();
            if waited > patience {
                let device = self.info().name.clone();
                return Err(self.noted(CudaError::Hung { device, waited }));
            }
            pause(waited);
        }
    }

    /// Makes a call in this device's context, naming it and the device in the error.
    pub(crate) fn call<T>(
        &self,
        call: &'static str,
        f: impl FnOnce(&dyn Driver, Stream) -> Outcome<T>,
    ) -> Result<T, CudaError> {
        let outcome = self.attempt(f)?;
        outcome.map_err(|code| self.noted(failed(call, &self.0.info.name, code)))
    }

    /// [`Device::call`] for callers with an error of their own, which they pass to
    /// [`Device::noted`].
    pub(crate) fn attempt<T>(
        &self,
        f: impl FnOnce(&dyn Driver, Stream) -> Outcome<T>,
    ) -> Result<Outcome<T>, CudaError> {
        if let Some(lost) = self.0.health.lost.get() {
            return Err(CudaError::Poisoned {
                device: self.info().name.clone(),
                cause: lost.cause.clone(),
            });
        }
        let stream = self.0.stream;
        let _turn = self.0.turns.call();
        Ok(self.0.primary.call(|driver| f(driver, stream)))
    }

    /// Lets this thread alone make calls, as long as the result lives.
    pub(crate) fn alone(&self) -> Recording<'_> {
        self.0.turns.record()
    }

    /// Remembers an error if nothing can be done with the device after it.
    pub(crate) fn noted(&self, error: CudaError) -> CudaError {
        if error.is_poisoned() {
            let hangs = matches!(error, CudaError::Hung { .. });
            let lost = Lost {
                cause: error.to_string(),
                hangs,
            };
            self.0.primary.hangs.fetch_or(hangs, Ordering::Relaxed);
            // Only the first says what happened.
            let _ = self.0.health.lost.set(lost);
        }
        error
    }

    /// Gives something back, which may wait for the device: so only once that is idle, and not at
    /// all if it hangs. A device that is lost otherwise is asked all the same.
    pub(crate) fn release(&self, f: impl FnOnce(&dyn Driver) -> Outcome<()>) {
        if self.0.health.lost.get().is_none() {
            // An error here is remembered, and the next call tells of it.
            let _ = self.synchronize();
        }
        self.release_at_once(f);
    }

    /// [`Device::release`] for calls that never wait.
    pub(crate) fn release_at_once(&self, f: impl FnOnce(&dyn Driver) -> Outcome<()>) {
        if !self.0.health.hangs() {
            let _turn = self.0.turns.call();
            self.0.primary.release(f);
        }
    }
}

/// A step of a small model takes less than a millisecond: short waits must not oversleep.
fn pause(waited: Duration) {
    if waited < Duration::from_millis(5) {
        std::hint::spin_loop();
    } else if waited < Duration::from_millis(50) {
        thread::yield_now();
    } else {
        thread::sleep(Duration::from_micros(500));
    }
}
