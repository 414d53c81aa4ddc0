//! Flags that several commands share.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use llama_arch::{LlamaConfig, LlamaModel, SamplingParams, Session};
use tokenizer_bpe::Tokenizer;

use crate::device::{self, DeviceArg};
use crate::error::{Failure, Result};
use crate::load::{self, ModelFile};

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// `--format`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct FormatArgs {
    /// How results on stdout look
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        env = "WORKER_ORCD_FORMAT"
    )]
    pub(crate) format: Format,
}

impl FormatArgs {
    /// Whether a JSON document is wanted.
    pub(crate) fn json(self) -> bool {
        self.format == Format::Json
    }
}

/// `--model`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelArg {
    /// The GGUF file, of a split model its first part, or hf:REPO[:FILE or QUANT] [default: the
    /// bundled demo model]
    #[arg(
        short,
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        env = "WORKER_ORCD_MODEL"
    )]
    pub(crate) model: Option<PathBuf>,
}

/// The model as first argument.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelPath {
    /// The GGUF file, of a split model its first part, or hf:REPO[:FILE or QUANT] [default: the
    /// bundled demo model]
    #[arg(
        value_name = "MODEL",
        value_hint = clap::ValueHint::FilePath,
        env = "WORKER_ORCD_MODEL"
    )]
    pub(crate) model: Option<PathBuf>,
}

/// Where to run.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RunArgs {
    /// Where to compute: auto, cpu, cuda or cuda:N; cpu:exact rounds no activations before it
    /// multiplies them, which is slower: to compare with
    #[arg(
        long,
        value_name = "DEVICE",
        default_value = "auto",
        env = "WORKER_ORCD_DEVICE"
    )]
    device: DeviceArg,

    /// Threads that compute on the CPU [default: all]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        env = "WORKER_ORCD_THREADS"
    )]
    threads: Option<u16>,
}

impl RunArgs {
    /// Loads a model onto the device asked for.
    pub(crate) fn load(self, file: &ModelFile) -> Result<LlamaModel> {
        // A file that no device can run should say so before any device is looked for.
        LlamaConfig::from_gguf(&file.file).map_err(|error| file.about(error))?;
        let (asked, threads) = (self.device, self.threads());
        let device = device::choose(asked, threads)?;
        let model = file.load(&device, |reason| device::instead(asked, threads, reason))?;
        device::announce(asked, &model);
        Ok(model)
    }

    /// The number of the GPU that is used, if one is.
    pub(crate) fn ordinal(self) -> usize {
        match self.device {
            DeviceArg::Cuda(ordinal) => ordinal,
            DeviceArg::Auto | DeviceArg::Cpu(_) => 0,
        }
    }

    /// Threads asked for.
    pub(crate) fn threads(self) -> Option<usize> {
        self.threads.map(usize::from)
    }
}

/// `--context-length`.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ContextArg {
    /// Tokens that prompt and output may have together [default: the model's, at most 4096]
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        env = "WORKER_ORCD_CONTEXT_LENGTH"
    )]
    context_length: Option<u32>,
}

/// Context where none is asked for and the model has more.
const DEFAULT_CONTEXT: usize = 4096;

impl ContextArg {
    /// Positions to plan for.
    pub(crate) fn or_default(self, model_context: usize) -> usize {
        let asked = self.context_length.map(|n| n as usize);
        asked.unwrap_or(model_context.min(DEFAULT_CONTEXT))
    }

    /// A session with that context, if memory holds it.
    pub(crate) fn session(self, file: &ModelFile, model: &LlamaModel) -> Result<Session> {
        let context = self.or_default(model.config().context_length);
        let about = |error: llama_arch::Error| file.about(error);
        let options = model.session_options(context);
        let plan = model.memory_plan(&options).map_err(about)?;
        load::check_host_memory(&plan, model).map_err(|failure| file.about(failure))?;
        model.session(context).map_err(about)
    }
}

/// How to choose tokens, and when to end.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Most tokens to generate
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(1..),
        env = "WORKER_ORCD_MAX_TOKENS"
    )]
    max_tokens: u32,

    /// 0 takes the most likely token each time, 2 is wild
    #[arg(
        short,
        long,
        value_name = "T",
        default_value_t = 0.7,
        env = "WORKER_ORCD_TEMPERATURE"
    )]
    temperature: f32,

    /// Draw from the K most likely tokens; 0: from all
    #[arg(
        long,
        value_name = "K",
        default_value_t = 40,
        env = "WORKER_ORCD_TOP_K"
    )]
    top_k: u32,

    /// Draw from the fewest most likely tokens that together have this probability; 1: from all
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.95,
        env = "WORKER_ORCD_TOP_P"
    )]
    top_p: f32,

    /// Leave out tokens less likely than this share of the most likely one; 0: none
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.05,
        env = "WORKER_ORCD_MIN_P"
    )]
    min_p: f32,

    /// Make tokens of prompt and output less likely (above 1); 1: off
    #[arg(
        long,
        value_name = "R",
        default_value_t = 1.0,
        env = "WORKER_ORCD_REPETITION_PENALTY"
    )]
    repetition_penalty: f32,

    /// Subtract this from the logits of tokens in the output
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        allow_negative_numbers = true,
        env = "WORKER_ORCD_PRESENCE_PENALTY"
    )]
    presence_penalty: f32,

    /// Subtract this from the logits of a token for each time it is in the output
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        allow_negative_numbers = true,
        env = "WORKER_ORCD_FREQUENCY_PENALTY"
    )]
    frequency_penalty: f32,

    /// Add BIAS to the logit of a token; can be repeated
    #[arg(
        long,
        value_name = "ID=BIAS",
        value_parser = logit_bias,
        value_delimiter = ',',
        env = "WORKER_ORCD_LOGIT_BIAS"
    )]
    logit_bias: Vec<(u32, f32)>,

    /// End the output before this text; can be repeated
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new(),
        env = "WORKER_ORCD_STOP")]
    stop: Vec<String>,

    /// Key of the random numbers: the same seed gives the same output [default: drawn anew]
    #[arg(long, value_name = "N", env = "WORKER_ORCD_SEED")]
    seed: Option<u64>,

    /// Go on where the model would end its output
    #[arg(
        long,
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "WORKER_ORCD_IGNORE_EOS"
    )]
    ignore_eos: bool,
}

impl SamplingArgs {
    /// The parameters, with a seed, checked as far as they can be without a model.
    pub(crate) fn params(&self) -> Result<SamplingParams> {
        let params = SamplingParams {
            temperature: self.temperature,
            top_k: self.top_k as usize,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
            logit_bias: self.logit_bias.clone(),
            seed: self.seed.unwrap_or_else(random_seed),
            logprobs: None,
            stop_tokens: Vec::new(),
        };
        params.check(usize::MAX)?;
        Ok(params)
    }

    /// The ids that end the output of a model with this vocabulary.
    pub(crate) fn stop_tokens(&self, tokenizer: &Tokenizer, vocab: usize) -> Vec<u32> {
        if self.ignore_eos {
            return Vec::new();
        }
        let known = tokenizer.vocab_size().min(vocab) as u32;
        (0..known)
            .filter(|&id| tokenizer.is_end_of_generation(id))
            .collect()
    }

    /// Most tokens to generate.
    pub(crate) fn max_tokens(&self) -> usize {
        self.max_tokens as usize
    }

    /// Texts that end the output.
    pub(crate) fn stops(&self) -> Vec<String> {
        self.stop.clone()
    }
}

/// Randomness of the operating system, as the standard library draws it for its hash maps; short
/// enough to be typed again.
fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish() & u64::from(u32::MAX)
}

fn logit_bias(text: &str) -> std::result::Result<(u32, f32), String> {
    let parse = || {
        let (id, bias) = text.split_once('=')?;
        Some((id.trim().parse().ok()?, bias.trim().parse().ok()?))
    };
    parse().ok_or_else(|| "expected ID=BIAS, such as 198=-1.5".to_owned())
}

/// Token ids, separated by commas or white space.
pub(crate) fn token_ids(text: &str) -> Result<Vec<u32>> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|id| !id.is_empty())
        .map(|id| {
            id.parse().map_err(|_| {
                Failure::usage(format_args!(
                    "`{id}` is no token id; expected numbers separated by commas, such as 1,2,3"
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(token_ids("1, 2,3\n4").unwrap(), [1, 2, 3, 4]);
        assert_eq!(token_ids(" ").unwrap(), [0_u32; 0]);
        for wrong in ["1,x", "-1", "4294967296", "1;2"] {
            assert_eq!(token_ids(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn biases() {
        assert_eq!(logit_bias("198=-1.5"), Ok((198, -1.5)));
        for wrong in ["198", "=1", "a=1", "1=", "-1=1"] {
            assert!(logit_bias(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(random_seed(), random_seed());
    }
}
