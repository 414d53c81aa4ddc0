//! Work recorded once and launched often, and the time that work takes.

use crate::device::Device;
use crate::driver::{Event, GraphExec};
use crate::error::CudaError;

/// Launches recorded by [`Device::capture`].
///
/// It holds addresses, not buffers: whoever launches it keeps buffers and kernels alive.
pub struct Graph {
    device: Device,
    graph: GraphExec,
}

impl Device {
    /// Records what `work` launches instead of running it. `work` must only launch: a copy from
    /// or to the host cannot be recorded.
    ///
    /// # Errors
    /// That of `work`, or a call failed.
    pub fn capture<E: From<CudaError>>(
        &self,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Graph, E> {
        self.call("cuStreamBeginCapture", |driver, stream| {
            // SAFETY: the stream lives as long as the device.
            unsafe { driver.capture_begin(stream) }
        })?;
        let outcome = work();
        // Also after an error: the stream would stay in capture.
        let template = self.call("cuStreamEndCapture", |driver, stream| {
            // SAFETY: as above.
            unsafe { driver.capture_end(stream) }
        });
        outcome?;
        let template = template?;
        let graph = self.call("cuGraphInstantiate", |driver, _| {
            // SAFETY: the template was just made.
            unsafe { driver.graph_instantiate(template) }
        });
        // SAFETY: nobody else knows the template, and the graph does not need it.
        let destroy = self.call("cuGraphDestroy", |driver, _| unsafe {
            driver.graph_destroy_template(template)
        });
        let graph = Graph {
            device: self.clone(),
            graph: graph?,
        };
        destroy?;
        Ok(graph)
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
        })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: nobody can launch it any more; the driver waits for launches under way.
        let destroy = self
            .device
            .raw_call(|driver, _| unsafe { driver.graph_destroy(self.graph) });
        // A graph that cannot be destroyed goes with its context.
        let _ = destroy;
    }
}

/// Measures the device's own time between two points of its work.
pub struct Stopwatch {
    device: Device,
    start: Event,
    end: Event,
}

impl Stopwatch {
    /// A stopwatch for work on `device`.
    ///
    /// # Errors
    /// A call failed.
    pub fn new(device: &Device) -> Result<Self, CudaError> {
        let create = || device.call("cuEventCreate", |driver, _| driver.event_create());
        let start = create()?;
        // SAFETY: just made, and known to nobody.
        let end = create().inspect_err(|_| unsafe { destroy(device, start) })?;
        Ok(Self {
            device: device.clone(),
            start,
            end,
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
        self.record(self.start)?;
        work()?;
        self.record(self.end)?;
        let (start, end) = (self.start, self.end);
        let elapsed = self.device.call("cuEventElapsedTime", |driver, _| {
            // SAFETY: both events are alive and recorded.
            unsafe {
                driver.event_synchronize(end)?;
                driver.event_elapsed_ms(start, end)
            }
        });
        Ok(elapsed?)
    }

    fn record(&self, event: Event) -> Result<(), CudaError> {
        self.device.call("cuEventRecord", |driver, stream| {
            // SAFETY: event and stream are alive.
            unsafe { driver.event_record(event, stream) }
        })
    }
}

/// # Safety
/// The event is alive and not used again.
unsafe fn destroy(device: &Device, event: Event) {
    // SAFETY: the caller's promise.
    let outcome = device.raw_call(|driver, _| unsafe { driver.event_destroy(event) });
    // An event that cannot be destroyed goes with its context.
    let _ = outcome;
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        // SAFETY: nobody else knows them.
        unsafe {
            destroy(&self.device, self.start);
            destroy(&self.device, self.end);
        }
    }
}
