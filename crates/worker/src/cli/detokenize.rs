//! `detokenize`: ids to text.

use serde::Serialize;

use super::args::{FormatArgs, ModelArg, token_ids};
use super::report;
use crate::error::Result;
use crate::load::{self, ModelFile};
use crate::output::Output;

/// Show the text of token ids.
///
/// Works on vocabulary-only files too. Bytes that are no UTF-8 become U+FFFD.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArg,

    /// Ids, separated by commas or spaces; `-` or nothing reads stdin
    ids: Vec<String>,

    #[command(flatten)]
    format: FormatArgs,
}

#[derive(Serialize)]
struct TextDocument {
    text: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let ids = match args.ids.join(" ").as_str() {
        "" | "-" => token_ids(&load::read_stdin()?)?,
        ids => token_ids(ids)?,
    };
    let file = ModelFile::open(args.model.model.as_deref())?;
    let tokenizer = file.tokenizer()?;
    let text = tokenizer.decode(&ids)?;
    let mut output = Output::stdout();
    if args.format.json() {
        output.line(report::json(&TextDocument { text }))?;
    } else {
        output.line(text)?;
    }
    output.finish()
}
