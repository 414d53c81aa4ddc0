//! The tokens of a file: their texts, their types, the bytes they stand for and the special ids.

mod arena;
mod byte_alphabet;
mod text_index;

pub(crate) use byte_alphabet::{byte_of_char, char_of_byte};

use crate::Error;
use arena::Arena;
use gguf::Metadata;
use text_index::TextIndex;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type";

/// Which of the two families a vocabulary belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TokenizerKind {
    /// Byte-level BPE with ranked merges (`tokenizer.ggml.model` = `gpt2`).
    ByteLevelBpe,
    /// SentencePiece-style BPE with scores and byte fallback (`tokenizer.ggml.model` = `llama`).
    SentencePieceBpe,
}

/// What a token is for, as `tokenizer.ggml.token_type` numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum TokenType {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl TokenType {
    fn from_number(index: usize, number: i32) -> Result<TokenType, Error> {
        Ok(match number {
            // 0 is "undefined", which converters leave where they have nothing to say.
            0 | 1 => TokenType::Normal,
            2 => TokenType::Unknown,
            3 => TokenType::Control,
            4 => TokenType::UserDefined,
            5 => TokenType::Unused,
            6 => TokenType::Byte,
            found => return Err(Error::BadTokenType { index, found }),
        })
    }
}

/// Tokens that end an answer wherever they are control tokens.
const END_TEXTS: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|eom_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
    "<|return|>",
    "<|call|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
];
/// Those of [`END_TEXTS`] that end a turn, which stand for a missing end-of-turn id.
const TURN_END_TEXTS: usize = 4;

/// The tokens of one file, by id.
#[derive(Debug)]
pub(crate) struct Vocab {
    pub(crate) kind: TokenizerKind,
    texts: Arena,
    bytes: Arena,
    types: Vec<TokenType>,
    index: TextIndex,
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    pub(crate) eot: Option<u32>,
    pub(crate) pad: Option<u32>,
    /// Ids that end generation, ascending.
    ends: Vec<u32>,
}

impl Vocab {
    pub(crate) fn from_metadata(metadata: &Metadata) -> Result<Vocab, Error> {
        let kind = match metadata.str("tokenizer.ggml.model")? {
            "gpt2" => TokenizerKind::ByteLevelBpe,
            "llama" => TokenizerKind::SentencePieceBpe,
            name => {
                return Err(Error::UnknownModel {
                    name: name.to_owned(),
                });
            }
        };
        let texts = Arena::new(metadata.str_array(TOKENS)?.iter().map(str::as_bytes))?;
        if texts.len() == 0 {
            return Err(Error::EmptyVocabulary);
        }
        let mut types = token_types(metadata, kind, &texts)?;
        for (text, kind) in texts.iter_str().zip(&mut types) {
            // A file that lists an end of turn as user-defined would let any text end the turn.
            if *kind == TokenType::UserDefined && END_TEXTS.contains(&text) {
                *kind = TokenType::Control;
            }
        }
        let bytes = token_bytes(kind, &texts, &types)?;
        let index = TextIndex::new(
            texts.len(),
            |id| texts.get(id),
            // Of equal texts the one that plain text can become.
            |new, old| {
                let normal = |id: u32| types.get(id as usize) == Some(&TokenType::Normal);
                normal(new) && !normal(old)
            },
        );
        let mut vocab = Vocab {
            kind,
            texts,
            bytes,
            types,
            index,
            bos: None,
            eos: None,
            eot: None,
            pad: None,
            ends: vec![],
        };
        vocab.read_special_ids(metadata)?;
        Ok(vocab)
    }

    fn read_special_ids(&mut self, metadata: &Metadata) -> Result<(), Error> {
        let is_sentence_piece = self.kind == TokenizerKind::SentencePieceBpe;
        // SentencePiece numbers its first tokens alike, so files may leave these two out.
        let default = |id: u32| (is_sentence_piece && id < self.size()).then_some(id);
        let bos = self
            .special_id(metadata, "tokenizer.ggml.bos_token_id")?
            .or(default(1));
        let eos = self
            .special_id(metadata, "tokenizer.ggml.eos_token_id")?
            .or(default(2));
        let pad = self.special_id(metadata, "tokenizer.ggml.padding_token_id")?;
        let eom = self.special_id(metadata, "tokenizer.ggml.eom_token_id")?;
        let control = |text: &&str| self.id(text).filter(|id| self.is_control(*id));
        let eot = self
            .special_id(metadata, "tokenizer.ggml.eot_token_id")?
            .or_else(|| END_TEXTS.iter().take(TURN_END_TEXTS).find_map(control));
        let mut ends: Vec<u32> = END_TEXTS.iter().filter_map(control).collect();
        ends.extend([eos, eot, eom].into_iter().flatten());
        ends.sort_unstable();
        ends.dedup();
        (self.bos, self.eos, self.eot, self.pad, self.ends) = (bos, eos, eot, pad, ends);
        Ok(())
    }

    fn special_id(&self, metadata: &Metadata, key: &'static str) -> Result<Option<u32>, Error> {
        let Some(found) = metadata.find_i64(key)? else {
            return Ok(None);
        };
        let id = u32::try_from(found).ok().filter(|id| *id < self.size());
        let error = || Error::BadTokenId {
            key,
            found,
            vocab_size: self.types.len(),
        };
        id.map(Some).ok_or_else(error)
    }

    pub(crate) fn size(&self) -> u32 {
        self.texts.len()
    }

    /// The text of a token as the file has it; empty for an id out of range.
    pub(crate) fn text(&self, id: u32) -> &str {
        self.texts.str(id)
    }

    /// The bytes a token stands for; empty for an id out of range.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id)
    }

    pub(crate) fn token_type(&self, id: u32) -> TokenType {
        self.types
            .get(id as usize)
            .copied()
            .unwrap_or(TokenType::Unused)
    }

    /// The id with this text; of several the first, a normal token before others.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        self.index.find(text.as_bytes(), |id| self.texts.get(id))
    }

    /// Whether the token never comes out of plain text.
    pub(crate) fn is_control(&self, id: u32) -> bool {
        matches!(self.token_type(id), TokenType::Control | TokenType::Unknown)
    }

    pub(crate) fn is_end(&self, id: u32) -> bool {
        self.ends.binary_search(&id).is_ok()
    }

    pub(crate) fn check(&self, id: u32) -> Result<u32, Error> {
        let error = || Error::UnknownToken {
            id,
            vocab_size: self.types.len(),
        };
        (id < self.size()).then_some(id).ok_or_else(error)
    }
}

fn token_types(
    metadata: &Metadata,
    kind: TokenizerKind,
    texts: &Arena,
) -> Result<Vec<TokenType>, Error> {
    if let Some(numbers) = metadata.find_i32_array(TOKEN_TYPES)? {
        let (expected, found) = (texts.len() as usize, numbers.len());
        if found != expected {
            return Err(Error::VocabMismatch {
                key: TOKEN_TYPES,
                expected,
                found,
            });
        }
        let types = numbers.into_iter().enumerate();
        return types
            .map(|(index, number)| TokenType::from_number(index, number))
            .collect();
    }
    // Without types only byte tokens can be told, by their text.
    let is_byte =
        |text: &str| kind == TokenizerKind::SentencePieceBpe && parse_byte_token(text).is_some();
    let guess = |text| {
        if is_byte(text) {
            TokenType::Byte
        } else {
            TokenType::Normal
        }
    };
    Ok(texts.iter_str().map(guess).collect())
}

/// What each token stands for: byte-level texts are spelt in the byte alphabet, SentencePiece
/// writes a space as `▁`, and special tokens stand for their text.
fn token_bytes(kind: TokenizerKind, texts: &Arena, types: &[TokenType]) -> Result<Arena, Error> {
    let mut bytes = Arena::with_capacity(texts);
    let mut scratch = Vec::new();
    for (index, (text, token_type)) in texts.iter_str().zip(types).enumerate() {
        scratch.clear();
        match (kind, token_type) {
            (_, TokenType::Control | TokenType::Unknown | TokenType::UserDefined) => {
                scratch.extend_from_slice(text.as_bytes());
            }
            (TokenizerKind::ByteLevelBpe, _) => spell(text, &mut scratch),
            (TokenizerKind::SentencePieceBpe, TokenType::Byte) => {
                let error = || Error::BadByteToken {
                    index,
                    text: text.to_owned(),
                    reason: "it is not of the form <0xNN> with two hexadecimal digits",
                };
                scratch.push(parse_byte_token(text).ok_or_else(error)?);
            }
            (TokenizerKind::SentencePieceBpe, _) => {
                scratch.extend_from_slice(text.replace('▁', " ").as_bytes());
            }
        }
        bytes.push(&scratch)?;
    }
    Ok(bytes)
}

/// The bytes that `text` spells; a text that is not all in the byte alphabet stands for itself.
fn spell(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        match byte_of_char(c) {
            Some(byte) => out.push(byte),
            None => {
                out.clear();
                out.extend_from_slice(text.as_bytes());
                return;
            }
        }
    }
}

/// The byte of `<0xNN>`: two hexadecimal digits, no sign, nothing else.
fn parse_byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let hexadecimal = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hexadecimal
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}
