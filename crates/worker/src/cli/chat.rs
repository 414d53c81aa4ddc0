//! `chat`: a conversation, line by line.

use std::io::{self, BufRead};
use std::path::Path;

use llama_arch::{CancelFlag, SamplingParams, Session};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde::Serialize;

use super::args::{ContextArg, ModelArg, RunArgs, SamplingArgs};
use super::report;
use crate::error::{Failure, Result};
use crate::generation::{self, Request};
use crate::interrupt;
use crate::load::{self, ModelFile};
use crate::logging::notice;
use crate::output::Output;
use crate::prompt::{Prompter, Turn};

const HELP: &str = "\
/reset      forget the conversation
/save FILE  write the conversation to a file, as JSON
/help       this list
/exit       leave (so does Ctrl-D)
A line that ends in \\ goes on in the next one. Ctrl-C stops an answer.";

/// Talk with a model, line by line.
///
/// Within the conversation /help lists the commands. Where stdin is no terminal, each line is one
/// message. Ctrl-C stops the answer, not the program.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArg,

    /// What the model is told before the conversation
    #[arg(short, long, value_name = "TEXT", env = "WORKER_ORCD_SYSTEM")]
    system: Option<String>,

    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    context: ContextArg,

    // Last, because its heading holds for all that follows.
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut params = args.sampling.params()?;
    let file = ModelFile::open(args.model.model.as_deref())?;
    let model = args.run.load(&file)?;
    let prompter = Prompter::from_gguf(&file.file).map_err(|failure| file.about(failure))?;
    if !prompter.has_template() {
        return Err(file.about(Failure::failed(
            "the model has no chat template, so it cannot chat; use `generate --raw`",
        )));
    }
    let vocab = model.config().vocab;
    params.stop_tokens = args.sampling.stop_tokens(&prompter.tokenizer, vocab);
    let session = args.context.session(&file, &model)?;
    let device = model.device_description();
    let (seed, context) = (params.seed, session.context_length());
    notice!(
        model = file.name,
        device,
        seed,
        context_length = context,
        "{}: {device}, context {context}, seed {seed}; /help lists the commands",
        file.name
    );
    let cancel = session.cancel_flag();
    interrupt::cancel(cancel.clone())?;
    let mut chat = Chat {
        args,
        prompter,
        session,
        params,
        cancel,
        turns: Vec::new(),
        output: Output::stdout(),
    };
    chat.reset();
    chat.talk(&mut Input::new()?)
}

/// A conversation and what it runs on.
struct Chat<'a> {
    args: &'a Args,
    prompter: Prompter,
    session: Session,
    params: SamplingParams,
    cancel: CancelFlag,
    turns: Vec<Turn>,
    output: Output,
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Say(&'a str),
    Reset,
    Save(&'a Path),
    Help,
    Exit,
    /// A mistake, and how to do better.
    Wrong(&'static str),
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if !line.starts_with('/') {
            return (!line.is_empty()).then_some(Self::Say(line));
        }
        let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Some(match (command, argument.trim()) {
            ("/reset", "") => Self::Reset,
            ("/save", "") => Self::Wrong("/save needs a file name"),
            ("/save", path) => Self::Save(Path::new(path)),
            ("/help", "") => Self::Help,
            ("/exit" | "/quit", "") => Self::Exit,
            _ => Self::Wrong("no such command; /help lists them"),
        })
    }
}

impl Chat<'_> {
    fn talk(&mut self, input: &mut Input) -> Result<()> {
        while let Some(line) = input.message()? {
            match Line::parse(&line) {
                None => {}
                Some(Line::Say(text)) => self.answer(text)?,
                Some(Line::Reset) => self.reset(),
                Some(Line::Save(path)) => self.save(path),
                Some(Line::Help) => notice!("{HELP}"),
                Some(Line::Wrong(hint)) => tracing::warn!("{hint}"),
                Some(Line::Exit) => return Ok(()),
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        let system = self.args.system.iter();
        self.turns = system.map(|text| Turn::new("system", text)).collect();
    }

    /// Answers a message. What fails is taken back, so that the conversation can go on.
    fn answer(&mut self, text: &str) -> Result<()> {
        self.turns.push(Turn::new("user", text));
        self.cancel.reset();
        match self.generate() {
            Ok(answer) => {
                self.turns.push(Turn::new("assistant", answer));
                Ok(())
            }
            Err(Failure::Failed(message)) => {
                self.turns.pop();
                tracing::warn!("no answer: {message}; /reset starts anew");
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    fn generate(&mut self) -> Result<String> {
        let request = Request {
            prompt: self.prompter.chat(&self.turns)?,
            params: self.params.clone(),
            stops: self.args.sampling.stops(),
            max_tokens: self.args.sampling.max_tokens(),
        };
        let (tokenizer, output) = (&self.prompter.tokenizer, &mut self.output);
        let outcome = generation::run(&mut self.session, tokenizer, &request, &mut |text| {
            output.show(text)
        })?;
        self.output.show("\n")?;
        Ok(outcome.text)
    }

    fn save(&self, path: &Path) {
        #[derive(Serialize)]
        struct TurnDocument<'a> {
            role: &'a str,
            content: &'a str,
        }
        let turns = self.turns.iter().map(|turn| TurnDocument {
            role: turn.role,
            content: &turn.content,
        });
        let document = report::json(&turns.collect::<Vec<_>>());
        match load::write_text(path, &document) {
            Ok(()) => notice!("saved {}", path.display()),
            Err(failure) => {
                let message = failure.message().unwrap_or_default();
                tracing::warn!("not saved: {message}");
            }
        }
    }
}

/// Where messages come from.
enum Input {
    Terminal(Box<DefaultEditor>),
    Lines(io::StdinLock<'static>),
}

impl Input {
    fn new() -> Result<Self> {
        if !load::stdin_is_terminal() {
            return Ok(Self::Lines(io::stdin().lock()));
        }
        let editor = DefaultEditor::new().map_err(cannot_read)?;
        Ok(Self::Terminal(Box::new(editor)))
    }

    /// The next message, of one or more lines; `None` at the end of the input.
    fn message(&mut self) -> Result<Option<String>> {
        let mut message = String::new();
        while let Some(line) = self.line(if message.is_empty() { "> " } else { ". " })? {
            match line.strip_suffix('\\') {
                Some(part) => message = message + part + "\n",
                None => return Ok(Some(message + &line)),
            }
        }
        Ok((!message.is_empty()).then_some(message))
    }

    fn line(&mut self, prompt: &str) -> Result<Option<String>> {
        match self {
            Self::Terminal(editor) => loop {
                match editor.readline(prompt) {
                    Ok(line) => {
                        // History is a comfort: without it the conversation goes on.
                        _ = editor.add_history_entry(&line);
                        return Ok(Some(line));
                    }
                    Err(ReadlineError::Interrupted) => notice!("/exit or Ctrl-D leaves"),
                    Err(ReadlineError::Eof) => return Ok(None),
                    Err(error) => return Err(cannot_read(error)),
                }
            },
            Self::Lines(stdin) => {
                let mut line = String::new();
                let n = stdin.read_line(&mut line).map_err(cannot_read)?;
                Ok((n > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
            }
        }
    }
}

fn cannot_read(error: impl std::fmt::Display) -> Failure {
    Failure::failed(format_args!("cannot read stdin: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let wrong = |line| matches!(Line::parse(line), Some(Line::Wrong(_)));
        assert_eq!(Line::parse("  "), None);
        assert_eq!(
            Line::parse(" hello /reset "),
            Some(Line::Say("hello /reset"))
        );
        assert_eq!(Line::parse("/reset"), Some(Line::Reset));
        assert_eq!(
            Line::parse("/save  a b.json"),
            Some(Line::Save(Path::new("a b.json")))
        );
        assert_eq!(Line::parse("/quit"), Some(Line::Exit));
        assert!(wrong("/save") && wrong("/nonsense") && wrong("/reset now") && wrong("/"));
    }
}
