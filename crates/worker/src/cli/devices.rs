//! `devices`: where models can run.

use llama_arch::Device;
use llama_arch::backend::Backend;
use llama_arch::backend::cpu::CpuBackend;
use llama_arch::backend::cuda::{self, DeviceInfo};
use serde::Serialize;

use super::args::FormatArgs;
use super::report;
use super::table::{Table, bytes};
use crate::error::Result;
use crate::load;
use crate::output::Output;

/// List the devices that models can run on, and why others cannot be used.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    format: FormatArgs,
}

/// A device and whether it can be used.
#[derive(Serialize)]
pub(crate) struct DeviceDocument {
    name: String,
    available: bool,
    description: Option<String>,
    free_bytes: Option<u64>,
    reason: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    #[derive(Serialize)]
    struct Document {
        devices: Vec<DeviceDocument>,
    }
    let mut devices = vec![cpu()];
    devices.extend(cuda());
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&Document { devices }))?;
    } else {
        let mut table = Table::new(&["device", "available", "what it is, or why not"], 3);
        for device in devices {
            let usable = if device.available { "yes" } else { "no" };
            let free = device.free_bytes.map(|n| format!(", {} free", bytes(n)));
            let text = device.reason.or(device.description).unwrap_or_default();
            table.row([
                device.name,
                usable.to_owned(),
                text + &free.unwrap_or_default(),
            ]);
        }
        output.line(table)?;
    }
    output.finish()
}

fn cpu() -> DeviceDocument {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    DeviceDocument {
        name: "cpu".to_owned(),
        available: true,
        description: Some(CpuBackend::detect(threads).description()),
        free_bytes: load::available_host_bytes(),
        reason: None,
    }
}

/// Every GPU, or why there is none.
fn cuda() -> Vec<DeviceDocument> {
    let document = |ordinal, info: Option<&DeviceInfo>| {
        let reason = Device::cuda(ordinal).err().map(|error| error.to_string());
        DeviceDocument {
            name: format!("cuda:{ordinal}"),
            available: reason.is_none(),
            description: info.map(cuda::describe),
            free_bytes: info.map(|info| info.memory.free_bytes),
            reason,
        }
    };
    match cuda::devices() {
        Ok(found) => found
            .iter()
            .map(|info| document(info.ordinal, Some(info)))
            .collect(),
        Err(_) => vec![document(0, None)],
    }
}
