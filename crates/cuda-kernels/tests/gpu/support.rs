//! A device if there is one, numbers to compute with, and how results are judged.

use std::io::{self, Write};
use std::sync::{Arc, Once};
use std::time::Duration;

use cuda_kernels::{Buffer, Device, Kernels};
use ptx_emulator::EmulatedDriver;

/// The device and its kernels; `None`, and a line that says why, where there is none. With
/// `CUDA_DEVICE=emulated` it is one that interprets the kernels on the host.
pub(crate) fn kernels() -> Option<Kernels> {
    let is_emulated = std::env::var("CUDA_DEVICE").is_ok_and(|value| value == "emulated");
    let opened = match is_emulated {
        true => {
            let driver = EmulatedDriver::with_multiprocessors(4).with_shared_bytes(227 << 10);
            Device::open_with(Arc::new(driver), 0)
        }
        false => Device::open(0),
    };
    match opened {
        Ok(device) => {
            // Under a sanitizer a kernel takes its time.
            device.set_patience(Duration::from_secs(600));
            Some(Kernels::load(&device).unwrap())
        }
        Err(error) => {
            let required = std::env::var("REQUIRE_CUDA").is_ok_and(|value| value == "1");
            assert!(!required, "REQUIRE_CUDA=1, but: {error}");
            // Once, and past the test runner, which would swallow it.
            static SAID: Once = Once::new();
            SAID.call_once(|| {
                let _ = writeln!(io::stderr(), "GPU tests skipped: {error}");
            });
            None
        }
    }
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// From -1 to 1.
    pub(crate) fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }

    /// As activations are: now and then one that outweighs all others.
    pub(crate) fn with_outliers(&mut self, len: usize) -> Vec<f32> {
        let mut values = self.floats(len);
        for value in values.iter_mut().step_by(97) {
            *value *= 1e4;
        }
        values
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const SENTINEL: f32 = -12_345.678;

/// An output with more room than needed, to see that the rest is left alone.
pub(crate) struct Guarded {
    pub(crate) buffer: Buffer<f32>,
    len: usize,
}

impl Guarded {
    /// Holding `values`.
    pub(crate) fn with(device: &Device, values: &[f32]) -> Self {
        let mut all = values.to_vec();
        all.resize(values.len() + 512, SENTINEL);
        Self {
            buffer: device.upload(&all).unwrap(),
            len: values.len(),
        }
    }

    pub(crate) fn new(device: &Device, len: usize) -> Self {
        Self::with(device, &vec![SENTINEL; len])
    }

    /// What was written, once the rest was found untouched.
    pub(crate) fn read(&self) -> Vec<f32> {
        let mut all = self.buffer.read(self.len + 512).unwrap();
        let rest = all.split_off(self.len);
        assert!(
            rest.iter().all(|&v| v.to_bits() == SENTINEL.to_bits()),
            "wrote past the end"
        );
        all
    }
}

/// Fails unless the squared error is below `limit` of the squared values.
pub(crate) fn assert_close(found: &[f32], expected: &[f64], limit: f64, case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    let (mut error, mut size) = (0.0, 0.0);
    for (&found, &expected) in found.iter().zip(expected) {
        assert!(found.is_finite(), "{case}: {found} for {expected}");
        error += (f64::from(found) - expected).powi(2);
        size += expected.powi(2);
    }
    assert!(size > 0.0, "{case}: nothing to compare");
    let nmse = error / size;
    assert!(nmse <= limit, "{case}: error {nmse:.2e}, limit {limit:.0e}");
}

/// Fails unless all bits agree.
pub(crate) fn assert_same(found: &[f32], expected: &[f32], case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(
            found.to_bits(),
            expected.to_bits(),
            "{case}: value {i}: {found}, {expected}"
        );
    }
}
