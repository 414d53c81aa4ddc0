//! `tokenize`: text to ids.

use clap::builder::BoolishValueParser;
use serde::Serialize;
use tokenizer_bpe::{Special, Tokenizer};

use super::args::{FormatArgs, ModelArg};
use super::report;
use crate::error::{Failure, Result};
use crate::load::{self, ModelFile};
use crate::output::Output;

/// Show the tokens of a text, one `id<TAB>"text"` a line.
///
/// Works on vocabulary-only files too. By default the text is what a raw prompt is: control tokens
/// in it count as such, and bos is added where the file asks for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArg,

    /// The text; `-` or nothing reads stdin
    #[arg(allow_hyphen_values = true)]
    text: Option<String>,

    /// Add no bos or eos, and take control tokens in the text as plain text
    #[arg(long, value_parser = BoolishValueParser::new(), env = "WORKER_ORCD_NO_SPECIAL")]
    no_special: bool,

    /// Read NUL-separated texts from stdin and print one JSON document a line
    #[arg(
        long,
        conflicts_with = "text",
        value_parser = BoolishValueParser::new(),
        env = "WORKER_ORCD_STDIN0"
    )]
    stdin0: bool,

    #[command(flatten)]
    format: FormatArgs,
}

/// The tokens of one text.
#[derive(Serialize)]
struct TokensDocument {
    tokens: Vec<TokenDocument>,
}

#[derive(Serialize)]
struct TokenDocument {
    id: u32,
    text: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let file = ModelFile::open(args.model.model.as_deref())?;
    let tokenizer = file.tokenizer()?;
    let text = match args.text.as_deref() {
        None | Some("-") => load::read_stdin()?,
        Some(text) => text.to_owned(),
    };
    let mut output = Output::stdout();
    if args.stdin0 {
        // Texts end with NUL or are separated by it: what follows the last one is no text.
        let texts = text.strip_suffix('\0').unwrap_or(&text);
        for text in texts.split('\0') {
            output.line(report::json(&args.document(&tokenizer, text)?))?;
        }
        return output.finish();
    }
    let document = args.document(&tokenizer, &text)?;
    if args.format.json() {
        output.line(report::json(&document))?;
    } else {
        for token in &document.tokens {
            output.line(format_args!("{}\t{:?}", token.id, token.text))?;
        }
    }
    output.finish()
}

impl Args {
    fn document(&self, tokenizer: &Tokenizer, text: &str) -> Result<TokensDocument> {
        let ids = if self.no_special {
            tokenizer.encode_fragment(text, Special::Plain)
        } else {
            tokenizer.encode(text, Special::Parse)
        };
        let document = |id| {
            let text = report::token_text(tokenizer, id)?;
            Ok::<_, Failure>(TokenDocument { id, text })
        };
        Ok(TokensDocument {
            tokens: ids?.into_iter().map(document).collect::<Result<_>>()?,
        })
    }
}
