//! From a prompt to token ids: with the model's chat template, without, or ids as they are.

use std::time::{SystemTime, UNIX_EPOCH};

use gguf::GgufFile;
use tokenizer_bpe::{ChatTemplate, Conversation, LocalTime, Message, Special, Tokenizer};

use crate::error::{Failure, Result};

/// What one side of a conversation said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// `system`, `user` or `assistant`.
    pub(crate) role: &'static str,
    /// The text.
    pub(crate) content: String,
}

impl Turn {
    /// Something said in that role.
    pub(crate) fn new(role: &'static str, content: impl Into<String>) -> Self {
        let content = content.into();
        Self { role, content }
    }
}

/// What a file knows about text.
pub(crate) struct Prompter {
    /// Text to ids and back.
    pub(crate) tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    /// What templates that print the date are told, in UTC: one moment for a whole conversation,
    /// so that its beginning stays as it was.
    now: Option<LocalTime>,
}

impl Prompter {
    /// Reads tokenizer and template.
    pub(crate) fn from_gguf(file: &GgufFile) -> Result<Self> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let now = since_epoch.map(|time| LocalTime::from_unix(time.as_secs().cast_signed()));
        let prompter = Self {
            tokenizer: Tokenizer::from_gguf(file)?,
            template: ChatTemplate::from_gguf(file)?,
            now,
        };
        file.check_unchanged()?;
        Ok(prompter)
    }

    /// Whether conversations can be rendered.
    pub(crate) fn has_template(&self) -> bool {
        self.template.is_some()
    }

    /// The ids of text as it stands; control tokens in it count as such.
    pub(crate) fn raw(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.tokenizer.encode(text, Special::Parse)?;
        if self.tokenizer.add_eos() {
            // The end of the text is what is asked for.
            ids.pop();
        }
        Ok(ids)
    }

    /// The ids of a conversation, up to where the assistant answers.
    pub(crate) fn chat(&self, turns: &[Turn]) -> Result<Vec<u32>> {
        let Some(template) = &self.template else {
            return Err(Failure::failed(
                "the model has no chat template; `generate --raw` continues text without one",
            ));
        };
        let messages = turns
            .iter()
            .map(|turn| Message::new(turn.role, &turn.content));
        let conversation = Conversation {
            messages: messages.collect(),
            add_generation_prompt: true,
            now: self.now,
            ..Conversation::default()
        };
        let rendered = template.render(&self.tokenizer, &conversation)?;
        Ok(self.tokenizer.encode_chat(&rendered)?)
    }
}
