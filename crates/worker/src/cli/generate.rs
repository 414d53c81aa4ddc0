//! `generate`: continues one prompt.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;

use super::args::{self, ContextArg, FormatArgs, ModelArg, RunArgs, SamplingArgs};
use super::report::{self, GenerationDocument, Origin};
use crate::error::{Failure, Result};
use crate::generation::{self, Outcome, Request};
use crate::load::{self, ModelFile};
use crate::output::Output;
use crate::prompt::{Prompter, Turn};
use crate::{interrupt, logging::notice};

/// Continue a prompt: text on stdout as it is made, a summary on stderr.
///
/// The prompt is a message to the model, put into its chat template; --raw continues it as it
/// stands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  worker-orcd generate --prompt 'Write a haiku about autumn leaves'
  worker-orcd generate --model qwen2.5-0.5b-instruct-q4_k_m.gguf --temperature 0 --prompt-file q.txt
  echo 'def fib(n):' | worker-orcd generate --model M.gguf --raw --max-tokens 100 -")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArg,

    /// `-` reads the prompt from stdin
    #[arg(
        value_name = "-",
        value_parser = dash,
        conflicts_with_all = ["prompt", "prompt_file", "prompt_ids"]
    )]
    stdin: Option<String>,

    /// The prompt
    #[arg(short, long, value_name = "TEXT", env = "WORKER_ORCD_PROMPT")]
    prompt: Option<String>,

    /// Read the prompt from a file
    #[arg(
        short = 'f',
        long,
        value_name = "FILE",
        conflicts_with = "prompt",
        env = "WORKER_ORCD_PROMPT_FILE"
    )]
    prompt_file: Option<PathBuf>,

    /// The prompt as token ids, such as 1,2,3, taken as they are
    #[arg(long, value_name = "IDS", conflicts_with_all = ["prompt", "prompt_file", "system"],
        env = "WORKER_ORCD_PROMPT_IDS")]
    prompt_ids: Option<String>,

    /// Use no chat template: continue the prompt as it stands
    #[arg(long, value_parser = BoolishValueParser::new(), env = "WORKER_ORCD_RAW")]
    raw: bool,

    /// What the model is told before the prompt
    #[arg(
        short,
        long,
        value_name = "TEXT",
        conflicts_with = "raw",
        env = "WORKER_ORCD_SYSTEM"
    )]
    system: Option<String>,

    /// Give log probabilities of the N most likely tokens at each step; needs --format json
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u8).range(0..=20),
        env = "WORKER_ORCD_LOGPROBS"
    )]
    logprobs: Option<u8>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    context: ContextArg,

    #[command(flatten)]
    format: FormatArgs,

    // Last, because its heading holds for all that follows.
    #[command(flatten)]
    sampling: SamplingArgs,
}

fn dash(text: &str) -> std::result::Result<String, &'static str> {
    match text {
        "-" => Ok(text.to_owned()),
        _ => Err("a prompt is given by --prompt TEXT, a model by --model FILE"),
    }
}

/// A prompt as it was given.
enum Prompt {
    Text(String),
    Ids(Vec<u32>),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut params = args.sampling.params()?;
    if args.logprobs.is_some() && !args.format.json() {
        return Err(Failure::usage("--logprobs needs --format json"));
    }
    params.logprobs = args
        .format
        .json()
        .then(|| args.logprobs.unwrap_or(0).into());
    let prompt = args.prompt()?;
    let file = ModelFile::open(args.model.model.as_deref())?;
    let model = args.run.load(&file)?;
    let prompter = Prompter::from_gguf(&file.file).map_err(|failure| file.about(failure))?;
    let vocab = model.config().vocab;
    params.stop_tokens = args.sampling.stop_tokens(&prompter.tokenizer, vocab);
    let request = Request {
        prompt: args.ids(prompt, &prompter)?,
        params,
        stops: args.sampling.stops(),
        max_tokens: args.sampling.max_tokens(),
    };
    let mut session = args.context.session(&file, &model)?;
    let origin = Origin {
        model: &file.name,
        device: model.device_description(),
        load: file.since_opened(),
    };
    interrupt::cancel(session.cancel_flag())?;
    let mut output = Output::stdout();
    let mut in_line = false;
    let outcome = generation::run(&mut session, &prompter.tokenizer, &request, &mut |text| {
        if args.format.json() {
            return Ok(());
        }
        in_line = !text.ends_with('\n');
        output.show(text)
    });
    if in_line {
        output.line("")?;
    }
    let outcome = outcome?;
    if args.format.json() {
        let document = GenerationDocument::new(&origin, &prompter.tokenizer, &request, &outcome)?;
        output.line(report::json(&document))?;
    }
    output.finish()?;
    summary(&origin, &request, &outcome);
    outcome.result()
}

impl Args {
    fn prompt(&self) -> Result<Prompt> {
        if let Some(ids) = &self.prompt_ids {
            return Ok(Prompt::Ids(args::token_ids(ids)?));
        }
        let text = match (&self.prompt, &self.prompt_file, &self.stdin) {
            (Some(text), _, _) => text.clone(),
            (None, Some(path), _) => load::read_text(path)?,
            (None, None, Some(_)) => load::read_stdin()?,
            (None, None, None) => {
                return Err(Failure::usage(
                    "no prompt: give --prompt TEXT, --prompt-file FILE, --prompt-ids IDS or - for \
                     stdin",
                ));
            }
        };
        if text.is_empty() {
            return Err(Failure::failed("the prompt is empty: nothing to continue"));
        }
        Ok(Prompt::Text(text))
    }

    fn ids(&self, prompt: Prompt, prompter: &Prompter) -> Result<Vec<u32>> {
        match prompt {
            Prompt::Ids(ids) => Ok(ids),
            Prompt::Text(text) if self.raw => prompter.raw(&text),
            Prompt::Text(text) if prompter.has_template() => {
                let system = self.system.iter().map(|text| Turn::new("system", text));
                let turns: Vec<_> = system.chain([Turn::new("user", text)]).collect();
                prompter.chat(&turns)
            }
            Prompt::Text(_) if self.system.is_some() => Err(Failure::failed(
                "the model has no chat template, so --system has no place to go; put it into the \
                 prompt",
            )),
            Prompt::Text(text) => {
                tracing::warn!(
                    "the model has no chat template: the prompt is continued as it stands (--raw \
                     says that this is wanted)"
                );
                prompter.raw(&text)
            }
        }
    }
}

fn summary(origin: &Origin<'_>, request: &Request, outcome: &Outcome) {
    let (timings, model, device) = (&outcome.timings, origin.model, &origin.device);
    let load_ms = generation::millis(origin.load);
    let (n_prompt, n_tokens) = (request.prompt.len(), outcome.tokens.len());
    let (prefill, decode) = (timings.prefill_rate(), timings.decode_rate());
    let (seed, finish) = (request.params.seed, outcome.finish.name());
    notice!(
        model,
        device,
        seed,
        load_ms,
        prompt_tokens = n_prompt,
        prefill_tokens_per_s = prefill,
        tokens = n_tokens,
        decode_tokens_per_s = decode,
        finish_reason = finish,
        "{model}: load {load_ms:.0} ms, prefill {n_prompt} tokens at {prefill:.1}/s, \
         decode {n_tokens} tokens at {decode:.1}/s, {device}, seed {seed}, {finish}"
    );
}
