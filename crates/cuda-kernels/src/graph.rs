//! Work recorded once and launched often, and the time that work takes.

use crate::device::{Device, Point};
use crate::driver::{Event, GraphExec, Stream};
use crate::error::CudaError;

/// Launches recorded by [`Device::capture`].
///
/// It holds addresses, not buffers: whoever launches it keeps buffers and kernels alive.
pub struct Graph {
    device: Device,
    graph: GraphExec,
    /// What a slow device would need for it.
    asked_ns: u64,
}

impl Device {
    /// Records what `work` launches instead of running it. `work` must only launch: a copy from
    /// or to the host cannot be recorded. Other threads' calls wait until it is done.
    ///
    /// # Errors
    /// That of `work`, or a call failed.
    pub fn capture<E: From<CudaError>>(
        &self,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Graph, E> {
        let _alone = self.alone();
        self.call("cuStreamBeginCapture", |driver, stream| {
            // SAFETY: the stream lives as long as the device.
            unsafe { driver.capture_begin(stream) }
        })?;
        let asked_before = self.asked_ns();
        let outcome = work();
        let asked_ns = self.asked_ns().saturating_sub(asked_before);
        // Also after an error: the stream would stay in capture.
        let template = self.call("cuStreamEndCapture", |driver, stream| {
            // SAFETY: as above.
            unsafe { driver.capture_end(stream) }
        });
        let template = match (outcome, template) {
            (Ok(()), template) => template?,
            (Err(error), template) => {
                if let Ok(template) = template {
                    // SAFETY: nobody else knows it.
                    self.release_at_once(|driver| unsafe {
                        driver.graph_destroy_template(template)
                    });
                }
                return Err(error);
            }
        };
        let graph = self.call("cuGraphInstantiate", |driver, _| {
            // SAFETY: the template was just made.
            unsafe { driver.graph_instantiate(template) }
        });
        // SAFETY: nobody else knows the template, and the graph does not need it.
        self.release_at_once(|driver| unsafe { driver.graph_destroy_template(template) });
        Ok(Graph {
            device: self.clone(),
            graph: graph?,
            asked_ns,
        })
    }
}

impl Graph {
    /// Runs the recorded work, after what was asked of the device before.
    ///
    /// # Safety
    /// The kernels and every buffer that the work reads or writes are still alive.
    ///
    /// # Errors
    /// The call failed.
    pub unsafe fn launch(&self) -> Result<(), CudaError> {
        self.device.call("cuGraphLaunch", |driver, stream| {
            // SAFETY: graph and stream are alive; the caller's promise for the buffers.
            unsafe { driver.graph_launch(self.graph, stream) }
        })?;
        self.device.ask_ns(self.asked_ns);
        Ok(())
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: nobody can launch it any more, and launches under way are waited for.
        self.device
            .release(|driver| unsafe { driver.graph_destroy(self.graph) });
    }
}

/// An event of a device.
pub(crate) struct Mark {
    device: Device,
    event: Event,
}

impl Mark {
    pub(crate) fn new(device: &Device, is_timed: bool) -> Result<Self, CudaError> {
        let event = device.call("cuEventCreate", |driver, _| driver.event_create(is_timed))?;
        let device = device.clone();
        Ok(Self { device, event })
    }

    /// Marks the end of what was asked of the device so far.
    pub(crate) fn record(&self) -> Result<Point, CudaError> {
        self.device.record(self.event)
    }

    /// Marks the end of what was asked of another stream so far.
    pub(crate) fn record_in(&self, stream: Stream) -> Result<Point, CudaError> {
        self.device.call("cuEventRecord", |driver, _| {
            // SAFETY: the event is alive, and so is the caller's stream.
            unsafe { driver.event_record(self.event, stream) }
        })?;
        Ok(self.device.point(self.event))
    }

    pub(crate) fn event(&self) -> Event {
        self.event
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // SAFETY: nobody else knows it.
        self.device
            .release_at_once(|driver| unsafe { driver.event_destroy(self.event) });
    }
}

/// Measures the device's own time between two points of its work.
pub struct Stopwatch {
    device: Device,
    start: Mark,
    end: Mark,
}

impl Stopwatch {
    /// A stopwatch for work on `device`.
    ///
    /// # Errors
    /// A call failed.
    pub fn new(device: &Device) -> Result<Self, CudaError> {
        Ok(Self {
            device: device.clone(),
            start: Mark::new(device, true)?,
            end: Mark::new(device, true)?,
        })
    }

    /// Milliseconds that the device spent on what `work` launched.
    ///
    /// # Errors
    /// That of `work`, or a call failed.
    pub fn time_ms<E: From<CudaError>>(
        &self,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<f32, E> {
        self.start.record()?;
        work()?;
        let end = self.end.record()?;
        self.device.wait(end)?;
        let elapsed = self.device.call("cuEventElapsedTime", |driver, _| {
            // SAFETY: both events are alive and recorded.
            unsafe { driver.event_elapsed_ms(self.start.event, self.end.event) }
        });
        Ok(elapsed?)
    }
}
