//! Finding special tokens in text: leftmost first, the longest of those that begin there.

use aho_corasick::{AhoCorasick, AhoCorasickKind, Anchored, Input, MatchKind, StartKind};

use crate::Error;
use crate::vocab::{TokenType, Vocab};

/// Whether the text of a control token in the input is that token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Special {
    /// It is: for templates and prompts whose author may use control tokens.
    Parse,
    /// It is not: it is text like any other, for input from strangers. Only user-defined tokens,
    /// which a vocabulary adds for plain text, are still found.
    Plain,
}

/// A part of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Segment<'t> {
    /// Text without special tokens, not empty.
    Text(&'t str),
    /// A special token.
    Token(u32),
}

#[derive(Debug)]
struct Patterns {
    automaton: AhoCorasick,
    ids: Vec<u32>,
}

impl Patterns {
    /// A searcher for the texts of `ids`, or none if there are none.
    fn new(vocab: &Vocab, ids: Vec<u32>) -> Result<Option<Patterns>, Error> {
        let ids: Vec<u32> = ids
            .into_iter()
            .filter(|id| !vocab.text(*id).is_empty())
            .collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .start_kind(StartKind::Both)
            // Its size grows with the length of the patterns alone.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(ids.iter().map(|id| vocab.text(*id)));
        let found = ids.iter().map(|id| vocab.text(*id).len()).sum();
        let limit = i32::MAX as usize;
        let too_large = |_| Error::LimitExceeded {
            what: "text of all special tokens",
            found,
            limit,
        };
        Ok(Some(Patterns {
            automaton: automaton.map_err(too_large)?,
            ids,
        }))
    }

    /// The next token in `text` from `at` on: where it begins, where it ends, its id.
    fn find(&self, text: &str, at: usize, anchored: Anchored) -> Option<(usize, usize, u32)> {
        let input = Input::new(text).range(at..).anchored(anchored);
        let found = self.automaton.find(input)?;
        let id = self.ids.get(found.pattern().as_usize())?;
        Some((found.start(), found.end(), *id))
    }
}

/// The special tokens of a vocabulary.
#[derive(Debug)]
pub(crate) struct SpecialTokens {
    /// Control and user-defined tokens.
    all: Option<Patterns>,
    /// Control tokens alone.
    control: Option<Patterns>,
    /// User-defined tokens alone.
    user_defined: Option<Patterns>,
    /// Tokens that swallow the white space after them, ascending.
    strip_after: Vec<u32>,
}

impl SpecialTokens {
    /// `strip_after` says of a token's text whether the token swallows the white space after it.
    pub(crate) fn new(
        vocab: &Vocab,
        strip_after: impl Fn(&str) -> bool,
    ) -> Result<SpecialTokens, Error> {
        let select =
            |belongs: &dyn Fn(u32) -> bool| (0..vocab.size()).filter(|id| belongs(*id)).collect();
        let is_control = |id| vocab.is_control(id);
        let is_user_defined = |id| vocab.token_type(id) == TokenType::UserDefined;
        let is_special = |id| is_control(id) || is_user_defined(id);
        Ok(SpecialTokens {
            all: Patterns::new(vocab, select(&is_special))?,
            control: Patterns::new(vocab, select(&is_control))?,
            user_defined: Patterns::new(vocab, select(&is_user_defined))?,
            strip_after: select(&|id| is_special(id) && strip_after(vocab.text(id))),
        })
    }

    /// Cuts `text` at special tokens. Control tokens are found with [`Special::Parse`], but not
    /// where `literal`, ascending offsets into `text`, says that the text there is only text.
    pub(crate) fn segments<'t>(
        &self,
        text: &'t str,
        special: Special,
        literal: &[usize],
    ) -> Vec<Segment<'t>> {
        let patterns = match special {
            Special::Parse => &self.all,
            Special::Plain => &self.user_defined,
        };
        let mut segments = Vec::new();
        let mut done = 0;
        let mut at = 0;
        while let Some(found) = patterns
            .as_ref()
            .and_then(|p| p.find(text, at, Anchored::No))
        {
            let (start, end, id) = match self.allowed(text, found, literal) {
                Some(found) => found,
                None => {
                    let skipped = text[found.0..].chars().next().map_or(1, char::len_utf8);
                    at = found.0 + skipped;
                    continue;
                }
            };
            if done < start {
                segments.push(Segment::Text(&text[done..start]));
            }
            segments.push(Segment::Token(id));
            let rest = &text[end..];
            let strips = self.strip_after.binary_search(&id).is_ok();
            done = if strips {
                text.len() - rest.trim_start().len()
            } else {
                end
            };
            at = done;
        }
        if done < text.len() {
            segments.push(Segment::Text(&text[done..]));
        }
        segments
    }

    /// The match itself, or at a place where control tokens are only text the user-defined token
    /// that begins there.
    fn allowed(
        &self,
        text: &str,
        found: (usize, usize, u32),
        literal: &[usize],
    ) -> Option<(usize, usize, u32)> {
        if literal.binary_search(&found.0).is_err() {
            return Some(found);
        }
        self.user_defined
            .as_ref()?
            .find(text, found.0, Anchored::Yes)
    }

    /// Where control tokens begin in `text`, overlapping ones too, ascending.
    pub(crate) fn control_starts(&self, text: &str) -> Vec<usize> {
        let mut starts = Vec::new();
        let mut at = 0;
        while let Some((start, ..)) = self
            .control
            .as_ref()
            .and_then(|control| control.find(text, at, Anchored::No))
        {
            starts.push(start);
            at = start + text[start..].chars().next().map_or(1, char::len_utf8);
        }
        starts
    }
}
