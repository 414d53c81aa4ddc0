//! `pull`: a model from the Hugging Face Hub.

use super::table::bytes;
use crate::error::Result;
use crate::hub::cache::Settings;
use crate::hub::{self, reference::Reference};
use crate::logging::notice;
use crate::output::Output;

/// Fetch a model from the Hugging Face Hub, and print the path of its file.
///
/// It lands in the cache that all clients of the Hub share, so that nothing is fetched twice. What
/// broke off is continued, and a file is only taken if its checksum is right. Afterwards
/// `--model hf:REPO` runs it, without asking the network.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  worker-orcd pull Qwen/Qwen2.5-0.5B-Instruct-GGUF             (Q4_K_M, where there is one)
  worker-orcd pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0
  worker-orcd generate --model hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q8_0 --prompt Hello

Environment: HF_HOME (or HF_HUB_CACHE) is where models lie, by default ~/.cache/huggingface;
HF_TOKEN opens repositories that are not public; HF_ENDPOINT is another Hub; HF_HUB_OFFLINE=1 leaves
the network alone; HTTPS_PROXY is a proxy.")]
pub(crate) struct Args {
    /// OWNER/NAME, and after a colon a file or a quantisation, such as Q8_0
    #[arg(value_name = "REPO[:FILE or QUANT]")]
    reference: Reference,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let pulled = hub::pull(&args.reference, &Settings::from_env()?)?;
    let mut output = Output::stdout();
    output.line(pulled.path.display())?;
    output.finish()?;
    notice!(
        bytes = pulled.n_bytes,
        "{}: {} in {} {}",
        args.reference,
        bytes(pulled.n_bytes),
        pulled.n_files,
        if pulled.n_files == 1 { "file" } else { "files" }
    );
    Ok(())
}
