//! Which device to run on.

use std::str::FromStr;

use llama_arch::Device;

use crate::error::{Failure, Result};
use crate::logging::notice;

/// A device as named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceArg {
    /// The best there is.
    Auto,
    /// The host's processor.
    Cpu,
    /// The GPU of that number.
    Cuda(usize),
}

impl FromStr for DeviceArg {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|ordinal| ordinal.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "expected auto, cpu, cuda or cuda:N".to_owned()),
        }
    }
}

/// The host's processor with so many threads, or all of them.
pub(crate) fn cpu(threads: Option<usize>) -> Device {
    threads.map_or_else(Device::cpu, |threads| Device::Cpu { threads })
}

/// The device asked for. `auto` says what it takes and why; anything else is never replaced.
pub(crate) fn choose(asked: DeviceArg, threads: Option<usize>) -> Result<Device> {
    match asked {
        DeviceArg::Cpu => Ok(cpu(threads)),
        DeviceArg::Cuda(ordinal) => Ok(Device::cuda(ordinal)?),
        DeviceArg::Auto => match Device::cuda(0) {
            Ok(device) => {
                notice!(
                    device = "cuda:0",
                    "device: cuda:0 (auto takes the first GPU)"
                );
                Ok(device)
            }
            Err(llama_arch::Error::DeviceUnavailable { reason, .. }) => {
                notice!(
                    device = "cpu",
                    reason,
                    "device: cpu (auto found no GPU: {reason})"
                );
                Ok(cpu(threads))
            }
            Err(error) => Err(Failure::from(error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let rows = [
            ("auto", Some(DeviceArg::Auto)),
            ("cpu", Some(DeviceArg::Cpu)),
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
