//! Which device to run on.

use std::str::FromStr;

use llama_arch::{Activations, Device, LlamaModel};

use crate::error::Result;
use crate::logging::{notice, one_line};

/// A device as named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceArg {
    /// The best there is.
    Auto,
    /// The host's processor, and how it multiplies.
    Cpu(Activations),
    /// The GPU of that number.
    Cuda(usize),
}

impl FromStr for DeviceArg {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu(Activations::Integer)),
            "cpu:exact" => Ok(Self::Cpu(Activations::Exact)),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|ordinal| ordinal.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu, cpu:exact, cuda or cuda:N".to_owned()),
        }
    }
}

/// The host's processor with so many threads, or all of them.
fn cpu(threads: Option<usize>, activations: Activations) -> Device {
    let all = || std::thread::available_parallelism().map_or(1, usize::from);
    Device::Cpu {
        threads: threads.unwrap_or_else(all),
        activations,
    }
}

/// The device asked for; `auto` is the first GPU, or the CPU.
pub(crate) fn choose(asked: DeviceArg, threads: Option<usize>) -> Result<Device> {
    match asked {
        DeviceArg::Cpu(activations) => Ok(cpu(threads, activations)),
        DeviceArg::Cuda(ordinal) => Ok(Device::cuda(ordinal)?),
        DeviceArg::Auto => match Device::cuda(0) {
            Err(llama_arch::Error::DeviceUnavailable { reason, .. }) => {
                Ok(without_gpu(threads, "found no GPU", &reason))
            }
            device => Ok(device?),
        },
    }
}

/// What takes the place of a device that turned out to be unusable when a model was loaded: `auto`
/// says why and takes the CPU, anything else is never replaced.
pub(crate) fn instead(asked: DeviceArg, threads: Option<usize>, reason: &str) -> Option<Device> {
    (asked == DeviceArg::Auto).then(|| without_gpu(threads, "cannot use the GPU", reason))
}

fn without_gpu(threads: Option<usize>, what: &str, reason: &str) -> Device {
    let reason = one_line(reason);
    notice!(
        device = "cpu",
        reason,
        "device: cpu (auto {what}: {reason})"
    );
    cpu(threads, Activations::default())
}

/// Says that `auto` took a GPU, once a model is there.
pub(crate) fn announce(asked: DeviceArg, model: &LlamaModel) {
    if asked == DeviceArg::Auto && model.device_description().starts_with("cuda:") {
        notice!(
            device = "cuda:0",
            "device: cuda:0 (auto takes the first GPU)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_auto_takes_another_device() {
        let reason = "the kernels were\nrefused";
        assert_eq!(instead(DeviceArg::Cuda(0), Some(2), reason), None);
        let cpu = Device::cpu_threads(2);
        assert_eq!(instead(DeviceArg::Auto, Some(2), reason), Some(cpu));
    }

    #[test]
    fn names() {
        let rows = [
            ("auto", Some(DeviceArg::Auto)),
            ("cpu", Some(DeviceArg::Cpu(Activations::Integer))),
            ("cpu:exact", Some(DeviceArg::Cpu(Activations::Exact))),
            ("cpu:1", None),
            ("cuda", Some(DeviceArg::Cuda(0))),
            ("cuda:3", Some(DeviceArg::Cuda(3))),
            ("cuda:", None),
            ("cuda:-1", None),
            ("gpu", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
