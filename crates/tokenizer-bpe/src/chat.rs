//! Chat templates: a conversation written the way a model was trained to read it.
//!
//! A template is a program out of a model file, so it is run as one not to be trusted: with a
//! bound on its steps and on all it builds, and without any way to reach outside. Text of a
//! conversation can never become a control token: wherever it spells one, a mark is put inside
//! before the template runs and taken out after, and encoding leaves those places alone.

mod budget;
mod instrument;
mod json;
mod python;
mod time;
mod value;
mod white_space;

use std::io;

use gguf::GgufFile;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind};

use crate::Error;
use crate::tokenizer::Tokenizer;
use budget::Budget;
pub use time::LocalTime;
use value::Fields;
pub use value::Value;

/// Longest template text, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;
/// Steps of one rendering, and what each message adds. A fuzzer finds the same with fewer, sooner.
const STEPS: u64 = if cfg!(fuzzing) { 2_000 } else { 200_000 };
const STEPS_PER_MESSAGE: u64 = STEPS / 50;
/// Bytes one rendering may build, and what each byte of the conversation adds.
const BUILT_BYTES: usize = if cfg!(fuzzing) { 64 << 10 } else { 2 << 20 };
const BUILT_BYTES_PER_BYTE: usize = 64;
/// Bytes of short texts between tags, which are not charged, that one rendering may copy.
const COPIED_BYTES: usize = 64 << 20;

/// One message of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Who speaks: `system`, `user`, `assistant`, `tool`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
    /// Other fields, such as `tool_calls` or `name`. One named `content` replaces the text, for
    /// templates that take lists of parts or nothing.
    pub extra: Vec<(String, Value)>,
}

impl Message {
    /// A message of text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Message {
        Message {
            role: role.into(),
            content: content.into(),
            extra: Vec::new(),
        }
    }
}

/// What a template is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// The messages, oldest first.
    pub messages: Vec<Message>,
    /// Descriptions of tools the model may call; none is no tool.
    pub tools: Vec<Value>,
    /// Whether the text ends where the model's answer begins.
    pub add_generation_prompt: bool,
    /// Further variables, such as `enable_thinking`.
    pub variables: Vec<(String, Value)>,
    /// What `strftime_now` tells; without it the template finds no such function.
    pub now: Option<LocalTime>,
}

/// A conversation as text for a model, made by [`ChatTemplate::render`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedChat {
    text: String,
    /// Where in `text` a control token begins that is only text, ascending.
    literal: Vec<usize>,
}

impl RenderedChat {
    /// The text that the template made.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn literal(&self) -> &[usize] {
        &self.literal
    }
}

/// A chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    source: String,
    instrumented: String,
    /// Bytes of the longest text that one step may copy into a variable.
    longest_capture: usize,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// The template of a model file, if it has one.
    pub fn from_gguf(file: &GgufFile) -> Result<Option<ChatTemplate>, Error> {
        let metadata = file.metadata();
        let Some(source) = metadata.find_str("tokenizer.chat_template")? else {
            return Ok(None);
        };
        let tokens = metadata.find_str_array("tokenizer.ggml.tokens")?;
        // As the tokenizer has it: SentencePiece numbers these two alike in every model.
        let is_sentence_piece = metadata.find_str("tokenizer.ggml.model")? == Some("llama");
        let text = |key, default: u64| -> Result<&str, Error> {
            let id = metadata
                .find_u64(key)?
                .or(is_sentence_piece.then_some(default));
            let id = id.and_then(|id| usize::try_from(id).ok());
            Ok(id
                .zip(tokens)
                .and_then(|(id, tokens)| tokens.get(id))
                .unwrap_or_default())
        };
        let bos = text("tokenizer.ggml.bos_token_id", 1)?;
        let eos = text("tokenizer.ggml.eos_token_id", 2)?;
        ChatTemplate::new(source, bos, eos).map(Some)
    }

    /// A template from its text and the texts of bos and eos, empty if the model has none.
    pub fn new(source: &str, bos_text: &str, eos_text: &str) -> Result<ChatTemplate, Error> {
        let (found, limit) = (source.len(), MAX_TEMPLATE);
        if found > limit {
            return Err(Error::LimitExceeded {
                what: "chat template",
                found,
                limit,
            });
        }
        let syntax = |message| Error::Template { message };
        let instrumented = instrument::instrument(source).map_err(syntax)?;
        let captures = ["endset", "endmacro", "endcall", "endfilter"];
        let has_captures = captures.iter().any(|end| source.contains(end));
        let template = ChatTemplate {
            source: source.to_owned(),
            instrumented: instrumented.source,
            longest_capture: if has_captures {
                instrumented.longest_text
            } else {
                0
            },
            bos: bos_text.to_owned(),
            eos: eos_text.to_owned(),
        };
        // Faults of syntax show here rather than at the first request.
        let budget = Budget::new(0);
        let env = environment('\0', &budget)?;
        let checked = env.template_from_named_str("chat_template", &template.instrumented);
        checked
            .map(drop)
            .map_err(|error| template_error(&error, &budget))?;
        Ok(template)
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Writes a conversation as text. `tokenizer` says what its control tokens look like.
    pub fn render(
        &self,
        tokenizer: &Tokenizer,
        conversation: &Conversation,
    ) -> Result<RenderedChat, Error> {
        let mut bytes = 0;
        let mark = choose_mark(conversation, &mut bytes)?;
        let with_marks = |text: &str| {
            let mut marked = text.to_owned();
            for start in tokenizer.special.control_starts(text).into_iter().rev() {
                let first = text[start..].chars().next().map_or(0, char::len_utf8);
                marked.insert(start + first, mark);
            }
            marked
        };
        let built = BUILT_BYTES.saturating_add(bytes.saturating_mul(BUILT_BYTES_PER_BYTE));
        let budget = Budget::new(built);
        let mut env = environment(mark, &budget)?;
        let steps = STEPS.saturating_add(STEPS_PER_MESSAGE * conversation.messages.len() as u64);
        let captured = self.longest_capture.max(1);
        env.set_fuel(Some(steps.min((COPIED_BYTES / captured) as u64)));
        if let Some(now) = conversation.now {
            env.add_function("strftime_now", move |format: &str| {
                let unknown = "strftime_now: unknown conversion";
                let unknown = || minijinja::Error::new(ErrorKind::InvalidOperation, unknown);
                now.format(format).ok_or_else(unknown)
            });
        }
        let failed = |error: minijinja::Error| template_error(&error, &budget);
        let template = env
            .template_from_named_str("chat_template", &self.instrumented)
            .map_err(failed)?;
        let mut output = Limited {
            bytes: Vec::new(),
            limit: built,
            is_full: false,
        };
        let context = self.context(conversation, &with_marks);
        let rendered = template.render_captured_to(context, &mut output).map(drop);
        if output.is_full {
            return Err(Error::TemplateBudget { budget: "output" });
        }
        rendered.map_err(failed)?;
        Ok(without_marks(&String::from_utf8_lossy(&output.bytes), mark))
    }

    fn context(
        &self,
        conversation: &Conversation,
        mark: &impl Fn(&str) -> String,
    ) -> minijinja::Value {
        let messages = conversation.messages.iter().map(|message| {
            let replaced = message.extra.iter().any(|(name, _)| name == "content");
            let content =
                (!replaced).then(|| ("content".to_owned(), mark(&message.content).into()));
            let extra = message
                .extra
                .iter()
                .map(|(name, value)| (mark(name), value.lower(mark)));
            let role = (
                "role".to_owned(),
                minijinja::Value::from(mark(&message.role)),
            );
            let fields: Fields = [role].into_iter().chain(content).chain(extra).collect();
            minijinja::Value::from_object(fields)
        });
        let tools = match conversation.tools.as_slice() {
            // Not given is none, as transformers has it: templates ask for both.
            [] => minijinja::Value::from(()),
            tools => tools.iter().map(|tool| tool.lower(mark)).collect(),
        };
        let fixed = [
            ("messages", messages.collect()),
            ("tools", tools),
            ("documents", minijinja::Value::from(())),
            (
                "add_generation_prompt",
                conversation.add_generation_prompt.into(),
            ),
            ("bos_token", self.bos.as_str().into()),
            ("eos_token", self.eos.as_str().into()),
        ];
        let fixed = fixed
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let variables = conversation.variables.iter();
        let variables = variables.map(|(name, value)| (name.clone(), value.lower(mark)));
        minijinja::Value::from_object(fixed.chain(variables).collect::<Fields>())
    }
}

/// An engine as transformers sets its own up, with the charged filters.
fn environment(mark: char, budget: &Budget) -> Result<Environment<'static>, Error> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build();
    env.set_syntax(syntax.map_err(|error| template_error(&error, budget))?);
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // Each level takes native stack.
    env.set_recursion_limit(100);
    python::add_filters(&mut env, mark, budget);
    env.add_function(
        "raise_exception",
        |message: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    Ok(env)
}

fn template_error(error: &minijinja::Error, budget: &Budget) -> Error {
    if error.kind() == ErrorKind::OutOfFuel {
        return Error::TemplateBudget { budget: "steps" };
    }
    if budget.is_spent() {
        return Error::TemplateBudget { budget: "text" };
    }
    let message = error
        .detail()
        .map_or_else(|| error.to_string(), str::to_owned);
    Error::Template { message }
}

/// A noncharacter that the conversation does not hold. Adds the conversation's bytes to `bytes`.
fn choose_mark(conversation: &Conversation, bytes: &mut usize) -> Result<char, Error> {
    let candidates = '\u{FDD0}'..='\u{FDEF}';
    let mut taken: Vec<char> = Vec::new();
    let mut see = |text: &str| {
        *bytes += text.len();
        // All of them begin with the same byte, which ordinary text rarely has.
        if text.as_bytes().contains(&0xEF) {
            taken.extend(text.chars().filter(|c| candidates.contains(c)));
            taken.sort_unstable();
            taken.dedup();
        }
    };
    for message in &conversation.messages {
        see(&message.role);
        see(&message.content);
        message.extra.iter().for_each(|(name, value)| {
            see(name);
            value.each_text(&mut see);
        });
    }
    conversation
        .tools
        .iter()
        .for_each(|tool| tool.each_text(&mut see));
    conversation
        .variables
        .iter()
        .for_each(|(_, value)| value.each_text(&mut see));
    let message = "the conversation holds all 32 noncharacters from U+FDD0 on".to_owned();
    candidates
        .clone()
        .find(|c| !taken.contains(c))
        .ok_or(Error::Template { message })
}

/// Takes the marks out and remembers the character before each.
fn without_marks(marked: &str, mark: char) -> RenderedChat {
    let mut text = String::with_capacity(marked.len());
    let mut literal = Vec::new();
    for part in marked.split_inclusive(mark) {
        let plain = part.strip_suffix(mark);
        text.push_str(plain.unwrap_or(part));
        let before = text.chars().next_back().map_or(0, char::len_utf8);
        literal.extend(plain.map(|_| text.len() - before));
    }
    RenderedChat { text, literal }
}

/// Output that ends at a limit.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    is_full: bool,
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            self.is_full = true;
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
