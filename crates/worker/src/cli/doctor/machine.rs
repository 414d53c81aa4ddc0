//! The machine around the devices.

use serde::Serialize;

use crate::cli::table::bytes;
use crate::load;

/// What the system says of itself.
#[derive(Serialize)]
pub(super) struct Machine {
    pub(super) system: String,
    model: String,
    pub(super) threads: usize,
    features: Vec<&'static str>,
    free_bytes: Option<u64>,
    /// Version of the kernel's NVIDIA driver, also where this process cannot reach it.
    pub(super) nvidia_driver: Option<String>,
}

macro_rules! detected {
    ($detect:ident: $($feature:tt),* $(,)?) => {
        [$(($feature, std::arch::$detect!($feature))),*]
    };
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let features = detected!(is_x86_feature_detected: "sse4.2", "avx", "f16c", "fma", "avx2",
        "avxvnni", "avx512f", "avx512bw", "avx512vl", "avx512vnni", "avx512bf16", "avx512fp16");
    present(&features)
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let features = detected!(is_aarch64_feature_detected: "neon", "fp16", "dotprod", "i8mm", "bf16",
        "sve");
    present(&features)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn present(features: &[(&'static str, bool)]) -> Vec<&'static str> {
    let present = features.iter().filter(|(_, is_there)| *is_there);
    present.map(|(name, _)| *name).collect()
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        let os = load::os_description().unwrap_or_else(|| std::env::consts::OS.to_owned());
        Self {
            system: format!("{os}, {}", std::env::consts::ARCH),
            model: load::processor_name().unwrap_or_else(|| "processor of unknown name".to_owned()),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            features: features(),
            free_bytes: load::available_host_bytes(),
            nvidia_driver: load::nvidia_driver(),
        }
    }

    /// The processor in one line.
    pub(super) fn processor(&self) -> String {
        let free = self.free_bytes.map(|n| format!(", {} free", bytes(n)));
        format!(
            "{}, {} threads, {}{}",
            self.model,
            self.threads,
            self.features.join(" "),
            free.unwrap_or_default()
        )
    }

    /// Why there is no GPU, with what the reason alone does not tell.
    pub(super) fn explain(&self, reason: &str) -> String {
        match &self.nvidia_driver {
            None => reason.to_owned(),
            Some(version) => format!(
                "{reason}. The kernel has NVIDIA driver {version}, which this process cannot \
                 reach: a container must be started with --gpus all"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_out_of_reach_is_explained() {
        let mut machine = Machine::here();
        machine.nvidia_driver = None;
        assert_eq!(machine.explain("no CUDA driver"), "no CUDA driver");
        machine.nvidia_driver = Some("580.1".to_owned());
        let text = machine.explain("no CUDA driver");
        assert!(
            text.contains("580.1") && text.contains("--gpus all"),
            "{text}"
        );
        assert!(machine.processor().contains("threads"));
    }
}
