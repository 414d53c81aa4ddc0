//! `perplexity`: how well a model predicts a text, and how far it is from another.

use std::io::{BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::time::Instant;

use llama_arch::{CancelFlag, LlamaConfig};
use serde::Serialize;
use tokenizer_bpe::{Special, Tokenizer};

use super::args::{FormatArgs, RunArgs};
use super::report;
use super::table::Table;
use crate::error::{Failure, Result};
use crate::interrupt;
use crate::load::{self, ModelFile};
use crate::logging::notice;
use crate::output::Output;
use crate::perplexity::Reader;
use crate::perplexity::log_probs::Header;
use crate::perplexity::score::{Mean, Score, quantile};
use crate::progress::{Progress, Unit};
use crate::store::NewFile;

/// Tokens of a chunk, unless asked otherwise or told by the file to compare with.
const DEFAULT_CONTEXT: u32 = 512;

/// Measure how well a model predicts a text: the lower, the better.
///
/// The text is cut into chunks of a context; each begins anew, and its second half is scored.
/// Figures are those of llama-perplexity on the same text and context, and only comparable between
/// models of one vocabulary. With --save-logits and --kl-against, which read and write
/// llama-perplexity's files, a quantised model is compared with its original: mean divergence (0:
/// the same), and how often both would choose the same token.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: what did quantising lose?
  worker-orcd perplexity model-f16.gguf text.txt --save-logits base.logits
  worker-orcd perplexity model-q4_k_m.gguf text.txt --kl-against base.logits")]
pub(crate) struct Args {
    /// The GGUF file, of a split model its first part, or hf:REPO[:FILE or QUANT]
    #[arg(value_name = "MODEL", value_hint = clap::ValueHint::FilePath)]
    model: PathBuf,

    /// The text; `-` reads stdin, and with --kl-against nothing takes the text of that file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    text: Option<PathBuf>,

    /// Tokens of a chunk [default: 512, or those of the file to compare with]
    #[arg(
        short,
        long,
        alias = "context",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(4..),
        env = "WORKER_ORCD_CONTEXT_LENGTH"
    )]
    context_length: Option<u32>,

    /// Most chunks to read [default: all there are]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        env = "WORKER_ORCD_CHUNKS"
    )]
    chunks: Option<u32>,

    /// Write the log probabilities of every token here: 2 bytes for each of the vocabulary
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "kl_against",
        value_hint = clap::ValueHint::FilePath,
        env = "WORKER_ORCD_SAVE_LOGITS"
    )]
    save_logits: Option<PathBuf>,

    /// Compare with the log probabilities in this file
    #[arg(
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        env = "WORKER_ORCD_KL_AGAINST"
    )]
    kl_against: Option<PathBuf>,

    /// Replace the file of --save-logits if it exists
    #[arg(
        short,
        long,
        value_parser = clap::builder::BoolishValueParser::new(),
        env = "WORKER_ORCD_FORCE"
    )]
    force: bool,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    format: FormatArgs,
}

/// What was measured.
#[derive(Serialize)]
struct Document<'a> {
    model: &'a str,
    device: String,
    context_length: usize,
    chunks: usize,
    scored_tokens: usize,
    perplexity: f64,
    perplexity_error: f64,
    /// With `--kl-against`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    compared: Option<ComparedDocument>,
    tokens_per_s: f64,
}

#[derive(Serialize)]
struct ComparedDocument {
    base_perplexity: f64,
    kl_divergence: f64,
    kl_divergence_error: f64,
    kl_divergence_median: f64,
    kl_divergence_99: f64,
    kl_divergence_max: f64,
    same_top_token: f64,
    same_top_token_error: f64,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cancel = CancelFlag::new();
    interrupt::cancel(cancel.clone())?;
    let file = ModelFile::open(Some(&args.model))?;
    let config = LlamaConfig::from_gguf(&file.file).map_err(|error| file.about(error))?;
    let tokenizer = file.tokenizer()?;
    let mut base = args.base()?;
    let header = args.header(&tokenizer, config.vocab, base.as_ref().map(|(it, _)| it))?;
    check_context(&config, header.context);
    let mut save = match &args.save_logits {
        Some(path) => Some(BufWriter::new(NewFile::create(path, args.force)?)),
        None => None,
    };
    if let Some(out) = &mut save {
        let written = header.write(out);
        written.map_err(|error| out.get_ref().cannot_write(&error))?;
    }
    let model = args.run.load(&file)?;
    let mut reader = Reader::new(&file, &model, header.context, save.is_some())?;
    let first = tokenizer.bos().filter(|_| tokenizer.add_bos());
    let started = Instant::now();
    let mut scores = Vec::new();
    let mut bar = Progress::new("reading", Unit::Count("chunks"), header.n_chunks() as u64);
    for (at, chunk) in header.tokens.chunks_exact(header.context).enumerate() {
        if cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        let rows = match &mut base {
            Some((header, from)) => Some(header.read_chunk(from)?),
            None => None,
        };
        let mut chunk_scores = reader.read(chunk, first, rows.as_deref())?;
        if let Some(out) = &mut save {
            write_packed(out, &mut chunk_scores)?;
        }
        scores.append(&mut chunk_scores);
        bar.add(1);
        let so_far = Mean::of(scores.iter().map(|score| score.nll)).value.exp();
        tracing::info!(chunk = at + 1, perplexity = so_far, "read");
    }
    bar.finish();
    if let Some(out) = save {
        let out = out.into_inner().map_err(|error| {
            let (error, out) = error.into_parts();
            out.get_ref().cannot_write(&error)
        })?;
        out.finish()?;
    }
    let tokens_per_s = header.tokens.len() as f64 / started.elapsed().as_secs_f64();
    let document = Document::new(&file, model.device_description(), &header, &scores);
    report(
        args.format,
        &Document {
            tokens_per_s,
            ..document
        },
    )
}

impl Args {
    /// The file to compare with, its rows still to be read.
    fn base(&self) -> Result<Option<(Header, impl Read)>> {
        let Some(path) = &self.kl_against else {
            return Ok(None);
        };
        let (from, n_bytes) = load::open(path)?;
        let mut from = BufReader::new(from);
        let header =
            Header::read(&mut from, n_bytes).map_err(|failure| failure.about(path.display()))?;
        Ok(Some((header, from)))
    }

    /// What is to be read: from the text, or as it was read for the base.
    fn header(&self, tokenizer: &Tokenizer, vocab: usize, base: Option<&Header>) -> Result<Header> {
        if let Some(base) = base.filter(|base| base.vocab != vocab) {
            return Err(Failure::failed(format_args!(
                "the vocabulary has {vocab} tokens, and that of --kl-against {}: the models cannot \
                 be compared",
                base.vocab
            )));
        }
        let asked = self.context_length.map(|n| n as usize);
        let context = asked.unwrap_or(base.map_or(DEFAULT_CONTEXT as usize, |base| base.context));
        let limit = self.chunks.map_or(usize::MAX, |n| n as usize);
        let limit = limit.min(base.map_or(usize::MAX, Header::n_chunks));
        let header = match (self.tokens(tokenizer)?, base) {
            (Some(mut tokens), _) => {
                let n_chunks = (tokens.len() / context).min(limit);
                if tokens.len() < 2 * context {
                    return Err(Failure::failed(format_args!(
                        "the text has {} tokens, and two chunks of {context} are needed; take a \
                         longer text or a smaller --context-length",
                        tokens.len()
                    )));
                }
                tokens.truncate(n_chunks * context);
                Header {
                    context,
                    vocab,
                    tokens,
                }
            }
            (None, Some(base)) => {
                let tokens = base.tokens[..limit * base.context].to_vec();
                Header {
                    context,
                    vocab,
                    tokens,
                }
            }
            (None, None) => return Err(Failure::usage("no text: name a FILE")),
        };
        match base {
            Some(base) if base.context != context || !base.tokens.starts_with(&header.tokens) => {
                Err(Failure::failed(format_args!(
                    "--kl-against was made of {} chunks of {} tokens, and this is another text, \
                     another context or another tokenizer; leave FILE and --context-length out",
                    base.n_chunks(),
                    base.context
                )))
            }
            _ => Ok(header),
        }
    }

    /// The tokens of the text.
    fn tokens(&self, tokenizer: &Tokenizer) -> Result<Option<Vec<u32>>> {
        let text = match &self.text {
            None => return Ok(None),
            Some(path) if path.as_os_str() == "-" => load::read_stdin()?,
            Some(path) => load::read_text(path)?,
        };
        // As llama-perplexity does: editors put it there.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut tokens = tokenizer.encode(text, Special::Plain)?;
        if tokenizer.add_eos() {
            tokens.pop();
        }
        Ok(Some(tokens))
    }
}

fn check_context(config: &LlamaConfig, context: usize) {
    if context > config.context_length {
        tracing::warn!(
            "chunks of {context} tokens are longer than the {} that the model was trained for",
            config.context_length
        );
    }
}

fn write_packed(out: &mut BufWriter<NewFile>, scores: &mut [Score]) -> Result<()> {
    for words in scores.iter_mut().filter_map(|score| score.packed.take()) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let written = out.write_all(&bytes);
        written.map_err(|error| out.get_ref().cannot_write(&error))?;
    }
    Ok(())
}

impl<'a> Document<'a> {
    fn new(file: &'a ModelFile, device: String, header: &Header, scores: &[Score]) -> Self {
        let perplexity = Mean::of(scores.iter().map(|score| score.nll)).exp();
        Self {
            model: &file.name,
            device,
            context_length: header.context,
            chunks: header.n_chunks(),
            scored_tokens: scores.len(),
            perplexity: perplexity.value,
            perplexity_error: perplexity.error,
            compared: ComparedDocument::new(scores),
            tokens_per_s: 0.0,
        }
    }
}

impl ComparedDocument {
    fn new(scores: &[Score]) -> Option<Self> {
        let compared = scores.iter().map(|score| score.compared);
        let compared: Vec<_> = compared.collect::<Option<_>>()?;
        let mut sorted: Vec<f64> = compared.iter().map(|it| it.kl).collect();
        sorted.sort_by(f64::total_cmp);
        let kl = Mean::of(sorted.iter().copied());
        let same = Mean::of(compared.iter().map(|it| f64::from(u8::from(it.same_top))));
        Some(Self {
            base_perplexity: Mean::of(compared.iter().map(|it| it.base_nll)).exp().value,
            kl_divergence: kl.value,
            kl_divergence_error: kl.error,
            kl_divergence_median: quantile(&sorted, 0.5),
            kl_divergence_99: quantile(&sorted, 0.99),
            kl_divergence_max: quantile(&sorted, 1.0),
            same_top_token: same.value,
            same_top_token_error: same.error,
        })
    }
}

fn report(format: FormatArgs, document: &Document<'_>) -> Result<()> {
    let mut output = Output::stdout();
    if format.json() {
        output.line(report::json(document))?;
        return output.finish();
    }
    let mut table = Table::new(&["measure", "value", "error"], 1);
    let mut row = |what: &str, value: String, error: String| table.row([what.into(), value, error]);
    let error = |error: f64, digits: usize| format!("+/- {error:.digits$}");
    row(
        "perplexity",
        format!("{:.4}", document.perplexity),
        error(document.perplexity_error, 4),
    );
    if let Some(it) = &document.compared {
        let none = String::new;
        row(
            "perplexity of the base",
            format!("{:.4}", it.base_perplexity),
            none(),
        );
        let kl_error = error(it.kl_divergence_error, 6);
        row(
            "KL divergence, mean",
            format!("{:.6}", it.kl_divergence),
            kl_error,
        );
        row(
            "KL divergence, median",
            format!("{:.6}", it.kl_divergence_median),
            none(),
        );
        row(
            "KL divergence, 99 %",
            format!("{:.6}", it.kl_divergence_99),
            none(),
        );
        row(
            "KL divergence, largest",
            format!("{:.6}", it.kl_divergence_max),
            none(),
        );
        let percent = format!("{:.3} %", 100.0 * it.same_top_token);
        let percent_error = format!("{} %", error(100.0 * it.same_top_token_error, 3));
        row("same top token", percent, percent_error);
    }
    output.line(table)?;
    output.finish()?;
    notice!(
        chunks = document.chunks,
        "{}: {} chunks of {} tokens at {:.1}/s, {} scored, {}",
        document.model,
        document.chunks,
        document.context_length,
        document.tokens_per_s,
        document.scored_tokens,
        document.device
    );
    Ok(())
}
