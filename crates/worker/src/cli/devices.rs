//! `devices`: where models can run.

use llama_arch::Device;
use llama_arch::backend::Backend;
use llama_arch::backend::cpu::CpuBackend;
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
    name: &'static str,
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
    let devices = vec![cpu(), cuda()];
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&Document { devices }))?;
    } else {
        let mut table = Table::new(&["device", "available", "what it is, or why not"], 3);
        for device in devices {
            let usable = if device.available { "yes" } else { "no" };
            let free = device.free_bytes.map(|n| format!(", {} free", bytes(n)));
            let text = device.description.or(device.reason).unwrap_or_default();
            table.row([
                device.name.to_owned(),
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
        name: "cpu",
        available: true,
        description: Some(CpuBackend::detect(threads).description()),
        free_bytes: load::available_host_bytes(),
        reason: None,
    }
}

fn cuda() -> DeviceDocument {
    let found = Device::cuda(0);
    DeviceDocument {
        name: "cuda:0",
        available: found.is_ok(),
        description: None,
        free_bytes: None,
        reason: found.err().map(|error| error.to_string()),
    }
}
