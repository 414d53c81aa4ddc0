//! Decoding ids one by one without ever writing half a character.

use crate::Error;
use crate::tokenizer::{SpecialText, Tokenizer};

/// A decoder of ids that arrive one by one; see [`Tokenizer::stream`].
#[derive(Clone, Debug)]
pub struct DecodeStream<'t> {
    tokenizer: &'t Tokenizer,
    special: SpecialText,
    /// Bytes of a character that is not complete yet: at most three between calls.
    pending: Vec<u8>,
    at_start: bool,
}

impl<'t> DecodeStream<'t> {
    pub(crate) fn new(tokenizer: &'t Tokenizer, special: SpecialText) -> DecodeStream<'t> {
        DecodeStream {
            tokenizer,
            special,
            pending: Vec::new(),
            at_start: true,
        }
    }

    /// Goes on after `ids`, of which nothing is written: a space in the next token is then a
    /// space, where at the beginning of a text it may be one that only encoding has put there.
    pub fn after(mut self, ids: &[u32]) -> Result<DecodeStream<'t>, Error> {
        for id in ids {
            self.tokenizer
                .piece(*id, self.special, &mut self.at_start)?;
        }
        Ok(self)
    }

    /// The text that has become certain with `id`: often a word, empty within a character.
    pub fn push(&mut self, id: u32) -> Result<String, Error> {
        let mut text = String::new();
        self.push_onto(id, &mut text)?;
        Ok(text)
    }

    /// The rest: U+FFFD if the ids ended within a character.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }

    pub(crate) fn push_onto(&mut self, id: u32, text: &mut String) -> Result<(), Error> {
        let piece = self.tokenizer.piece(id, self.special, &mut self.at_start)?;
        self.pending.extend_from_slice(piece);
        let mut complete = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            complete += chunk.valid().len();
            let invalid = chunk.invalid();
            // The last bytes may be the beginning of a character, all others are none.
            let is_last = complete + invalid.len() == self.pending.len();
            if is_last && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none()) {
                break;
            }
            complete += invalid.len();
            text.extend((!invalid.is_empty()).then_some(char::REPLACEMENT_CHARACTER));
        }
        self.pending.drain(..complete);
        Ok(())
    }
}
