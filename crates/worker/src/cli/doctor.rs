//! `doctor`: what this machine has, whether it computes right, and what to do where it does not.

mod machine;

use llama_arch::backend::Backend;
use llama_arch::backend::cpu::{Activations, CpuBackend};
use llama_arch::backend::cuda::{self, CudaBackend, DeviceInfo};
use llama_arch::self_test::{self, Finding};
use serde::Serialize;

use super::args::FormatArgs;
use super::report;
use super::table::bytes;
use crate::device::DeviceArg;
use crate::error::{Failure, Result};
use crate::output::Output;
use machine::Machine;

/// Check this machine: processor, driver and GPUs, and whether every kernel computes right.
///
/// Needs no model: small random ones of every weight type are run on each device and compared with
/// plain code on the CPU. Exit code 0: whatever is here works, if only the CPU; 1: something does
/// not, and the last lines say what to do; 70: a device failed while it computed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to check: auto (all there is), cpu, or a GPU that must be there: cuda or cuda:N
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        env = "WORKER_ORCD_DEVICE"
    )]
    device: DeviceArg,

    /// Show every comparison, not only a summary and those that fail
    #[arg(
        long,
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "WORKER_ORCD_ALL"
    )]
    all: bool,

    #[command(flatten)]
    format: FormatArgs,
}

/// Everything that was found.
#[derive(Serialize)]
struct Document {
    machine: Machine,
    devices: Vec<DeviceDocument>,
    /// What to do, one sentence each; empty where all is well.
    advice: Vec<String>,
}

/// One device.
#[derive(Serialize)]
struct DeviceDocument {
    name: String,
    description: Option<String>,
    /// Why it cannot be used.
    reason: Option<String>,
    /// What a GPU reads from its memory in a second.
    read_gb_per_s: Option<f64>,
    checks: Vec<CheckDocument>,
}

/// One comparison.
#[derive(Serialize)]
struct CheckDocument {
    what: String,
    /// Null: not a number.
    error: Option<f64>,
    bar: f64,
    ok: bool,
}

impl DeviceDocument {
    fn is_right(&self) -> bool {
        self.reason.is_none() && self.checks.iter().all(|check| check.ok)
    }
}

/// Lines as they come, unless a document is wanted.
struct Lines {
    output: Option<Output>,
    all: bool,
}

impl Lines {
    fn line(&mut self, about: &str, text: &str) -> Result<()> {
        match &mut self.output {
            Some(output) => output.show(&format!("{about:<8}  {text}\n")),
            None => Ok(()),
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut lines = Lines {
        output: (!args.format.json()).then(Output::stdout),
        all: args.all,
    };
    let machine = Machine::here();
    lines.line("system", &machine.system)?;
    lines.line("cpu", &machine.processor())?;
    let mut devices = vec![cpu(&machine, &mut lines)?];
    if !matches!(args.device, DeviceArg::Cpu(_)) {
        devices.extend(gpus(args.device, &machine, &mut lines)?);
    }
    let must_have_gpu = matches!(args.device, DeviceArg::Cuda(_));
    let advice = advice(&devices, must_have_gpu);
    for sentence in &advice {
        lines.line("to do", sentence)?;
    }
    let usable: Vec<&str> = devices
        .iter()
        .filter(|device| device.is_right())
        .map(|device| &*device.name)
        .collect();
    let wrong: Vec<String> = devices
        .iter()
        .filter(|device| is_fault(device, must_have_gpu))
        .map(|device| device.name.clone())
        .collect();
    lines.line(
        "verdict",
        &format!("models can run on: {}", usable.join(", ")),
    )?;
    drop(lines);
    if args.format.json() {
        let mut output = Output::stdout();
        let document = Document {
            machine,
            devices,
            advice,
        };
        output.line(report::json(&document))?;
        output.finish()?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let wrong = wrong.join(", ");
    Err(Failure::failed(format_args!(
        "{wrong} cannot be used; see above"
    )))
}

/// The processor's best code against its plain code.
fn cpu(machine: &Machine, lines: &mut Lines) -> Result<DeviceDocument> {
    let best = CpuBackend::detect(machine.threads);
    let plain = CpuBackend::every_isa(1).into_iter().next();
    let plain = plain.unwrap_or_else(|| CpuBackend::detect(1));
    let description = best.description();
    let checks = check("cpu", &plain, &best, lines)?;
    Ok(DeviceDocument {
        name: "cpu".to_owned(),
        description: Some(description),
        reason: None,
        read_gb_per_s: None,
        checks,
    })
}

/// Every GPU that was asked for, or why there is none.
fn gpus(asked: DeviceArg, machine: &Machine, lines: &mut Lines) -> Result<Vec<DeviceDocument>> {
    let found = match cuda::devices() {
        Ok(found) => found,
        Err(error) => {
            let reason = machine.explain(&reason_of(error));
            lines.line("gpu", &format!("none: {reason}"))?;
            return Ok(vec![missing("cuda:0", reason)]);
        }
    };
    let is_asked = |info: &&DeviceInfo| match asked {
        DeviceArg::Cuda(ordinal) => info.ordinal == ordinal,
        DeviceArg::Auto | DeviceArg::Cpu(_) => true,
    };
    let (needed, needed_minor) = cuda::NEEDED_CUDA;
    if let Some(info) = found.first() {
        let (has, has_minor) = info.driver_cuda;
        let number = machine.nvidia_driver.as_deref().unwrap_or("NVIDIA");
        let text = format!(
            "{number}, for CUDA {has}.{has_minor}; the kernels need CUDA {needed}.{needed_minor}"
        );
        lines.line("driver", &text)?;
    }
    let chosen: Vec<&DeviceInfo> = found.iter().filter(is_asked).collect();
    if let (DeviceArg::Cuda(ordinal), true) = (asked, chosen.is_empty()) {
        let name = format!("cuda:{ordinal}");
        let reason = format!("there are {} GPUs, counted from 0", found.len());
        lines.line(&name, &format!("none: {reason}"))?;
        return Ok(vec![missing(&name, reason)]);
    }
    chosen.into_iter().map(|info| gpu(info, lines)).collect()
}

fn missing(name: &str, reason: String) -> DeviceDocument {
    DeviceDocument {
        name: name.to_owned(),
        description: None,
        reason: Some(reason),
        read_gb_per_s: None,
        checks: Vec::new(),
    }
}

fn gpu(info: &DeviceInfo, lines: &mut Lines) -> Result<DeviceDocument> {
    let name = format!("cuda:{}", info.ordinal);
    let (major, minor) = info.compute_capability;
    let text = format!(
        "{}, compute capability {major}.{minor}, {} multiprocessors, {} of {} free",
        info.name,
        info.n_multiprocessors,
        bytes(info.memory.free_bytes),
        bytes(info.memory.total_bytes)
    );
    lines.line(&name, &text)?;
    let description = Some(cuda::describe(info));
    let backend = match CudaBackend::open(info.ordinal) {
        Ok(backend) => backend,
        Err(error) => {
            let reason = reason_of(error);
            lines.line(&name, &format!("cannot be used: {reason}"))?;
            return Ok(DeviceDocument {
                description,
                ..missing(&name, reason)
            });
        }
    };
    let reference = CpuBackend::detect(1).with_activations(Activations::Exact);
    let checks = check(&name, &reference, &backend, lines)?;
    // Where other programs hold the memory there is no room to measure in.
    let read_gb_per_s = cuda::read_gb_per_s(info.ordinal).ok();
    if let Some(speed) = read_gb_per_s {
        lines.line(&name, &format!("memory read at {speed:.0} GB/s"))?;
    }
    Ok(DeviceDocument {
        name,
        description,
        reason: None,
        read_gb_per_s,
        checks,
    })
}

/// Every comparison of a device, told as it is made.
fn check<B: Backend>(
    name: &str,
    reference: &CpuBackend,
    device: &B,
    lines: &mut Lines,
) -> Result<Vec<CheckDocument>> {
    let mut checks = Vec::new();
    let mut told = Ok(());
    let mut report = |finding: Finding| {
        let ok = finding.holds();
        if told.is_ok() && (lines.all || !ok) {
            let verdict = if ok { "right" } else { "WRONG" };
            let Finding { what, error, bar } = &finding;
            let text = format!("{what:<20} {verdict}  error {error:.1e}, at most {bar:.0e}");
            told = lines.line(name, &text);
        }
        checks.push(CheckDocument {
            error: finding.error.is_finite().then_some(finding.error),
            bar: finding.bar,
            ok,
            what: finding.what,
        });
    };
    self_test::run(reference, device, &mut report)?;
    told?;
    let n_right = checks.iter().filter(|check| check.ok).count();
    let text = format!(
        "{n_right} of {} comparisons with plain code are right ({})",
        checks.len(),
        device.description()
    );
    lines.line(name, &text)?;
    Ok(checks)
}

/// Whether a device makes the command fail: one that is not there does so only if it must be.
fn is_fault(device: &DeviceDocument, must_have_gpu: bool) -> bool {
    let is_there = device.description.is_some();
    !device.is_right() && (is_there || must_have_gpu)
}

fn advice(devices: &[DeviceDocument], must_have_gpu: bool) -> Vec<String> {
    let mut advice = Vec::new();
    for device in devices.iter().filter(|device| !device.is_right()) {
        let name = &device.name;
        match &device.reason {
            None => advice.push(format!(
                "{name} computes wrong values: do not use it; update driver and program, and if \
                 that does not help report the lines above"
            )),
            Some(reason) if device.description.is_some() || must_have_gpu => {
                advice.push(format!("{name}: {reason}; until then use --device cpu"));
            }
            Some(_) => {}
        }
    }
    advice
}

fn reason_of(error: llama_arch::Error) -> String {
    match error {
        llama_arch::Error::DeviceUnavailable { reason, .. } => reason,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(there: bool, reason: Option<&str>, ok: bool) -> DeviceDocument {
        DeviceDocument {
            name: "cuda:0".to_owned(),
            description: there.then(|| "a GPU".to_owned()),
            reason: reason.map(str::to_owned),
            read_gb_per_s: None,
            checks: vec![CheckDocument {
                what: "f16 prefill".to_owned(),
                error: Some(1.0),
                bar: 1e-4,
                ok,
            }],
        }
    }

    #[test]
    fn only_what_is_there_or_must_be_is_a_fault() {
        let rows = [
            (device(true, None, true), false, false),
            (device(true, None, false), true, true),
            (device(true, Some("too old"), true), true, true),
            (device(false, Some("no driver"), true), false, true),
        ];
        for (device, by_itself, if_needed) in rows {
            assert_eq!(is_fault(&device, false), by_itself, "{:?}", device.reason);
            assert_eq!(is_fault(&device, true), if_needed, "{:?}", device.reason);
            let devices = [device];
            assert_eq!(!advice(&devices, false).is_empty(), by_itself);
            assert_eq!(!advice(&devices, true).is_empty(), if_needed);
        }
    }
}
