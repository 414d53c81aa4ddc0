//! The tokenizer of a model file: text to ids and back.

use crate::Error;
use crate::chat::RenderedChat;
use crate::merge::ByteBpe;
use crate::special::{Segment, Special, SpecialTokens};
use crate::stream::DecodeStream;
use crate::unigram_merge::UnigramMerge;
use crate::vocab::{TokenType, TokenizerKind, Vocab};
use gguf::{GgufFile, Metadata};

/// Whether decoding writes control tokens as their text or leaves them out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpecialText {
    /// `<|im_end|>` and its like are written out.
    Show,
    /// Control tokens are left out.
    Hide,
}

/// Text to token ids and back, as the model of a GGUF file was trained with.
///
/// Text is taken as it is: no Unicode normalisation is applied, so that decoding what was encoded
/// gives the same text again.
#[derive(Debug)]
pub struct Tokenizer {
    pub(crate) vocab: Vocab,
    pub(crate) special: SpecialTokens,
    algorithm: Algorithm,
    pre: Option<String>,
    add_bos: bool,
    add_eos: bool,
    space_prefix: bool,
}

#[derive(Debug)]
enum Algorithm {
    ByteBpe(Box<ByteBpe>),
    UnigramMerge(Box<UnigramMerge>),
}

impl Tokenizer {
    /// Reads the tokenizer out of a file's `tokenizer.ggml.*` metadata and checks all of it.
    pub fn from_gguf(file: &GgufFile) -> Result<Tokenizer, Error> {
        let metadata = file.metadata();
        let vocab = Vocab::from_metadata(metadata)?;
        let (algorithm, add_bos, space_prefix) = match vocab.kind {
            TokenizerKind::ByteLevelBpe => {
                let bpe = Box::new(ByteBpe::from_metadata(metadata, &vocab)?);
                let add_bos = bpe.pre.add_bos;
                (Algorithm::ByteBpe(bpe), add_bos, false)
            }
            TokenizerKind::SentencePieceBpe => {
                let merges = Box::new(UnigramMerge::from_metadata(metadata, &vocab)?);
                let prefix = metadata.find_bool("tokenizer.ggml.add_space_prefix")?;
                (
                    Algorithm::UnigramMerge(merges),
                    true,
                    prefix.unwrap_or(true),
                )
            }
        };
        let special = SpecialTokens::new(&vocab, strip_rule(metadata, vocab.kind)?)?;
        let id = |flag, key, id: Option<u32>| {
            id.map(|_| true).ok_or(Error::MissingTokenId { flag, key })
        };
        let asked = |flag, key, token, default: bool| match metadata.find_bool(flag)? {
            Some(true) => id(flag, key, token),
            Some(false) => Ok(false),
            // A default adds only what there is.
            None => Ok(default && token.is_some()),
        };
        let bos = (vocab.bos, "tokenizer.ggml.bos_token_id");
        let eos = (vocab.eos, "tokenizer.ggml.eos_token_id");
        Ok(Tokenizer {
            add_bos: asked("tokenizer.ggml.add_bos_token", bos.1, bos.0, add_bos)?,
            add_eos: asked("tokenizer.ggml.add_eos_token", eos.1, eos.0, false)?,
            pre: metadata.find_str("tokenizer.ggml.pre")?.map(str::to_owned),
            vocab,
            special,
            algorithm,
            space_prefix,
        })
    }

    /// The ids of `text`, with bos before and eos after it as the file asks, but neither twice.
    pub fn encode(&self, text: &str, special: Special) -> Result<Vec<u32>, Error> {
        Ok(self.with_ends(self.encode_segments(text, special, &[])?))
    }

    /// The ids of `text` and nothing else.
    pub fn encode_fragment(&self, text: &str, special: Special) -> Result<Vec<u32>, Error> {
        self.encode_segments(text, special, &[])
    }

    /// The ids of a rendered conversation: control tokens are those the template wrote, never
    /// those whose text stands in a message. Bos comes first if the file asks for it, once.
    pub fn encode_chat(&self, prompt: &RenderedChat) -> Result<Vec<u32>, Error> {
        let mut ids = self.encode_segments(prompt.text(), Special::Parse, prompt.literal())?;
        self.add_bos_once(&mut ids);
        Ok(ids)
    }

    /// The text that `ids` stand for, control tokens as their text. Bytes that are no UTF-8
    /// become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        self.decode_with(ids, SpecialText::Show)
    }

    /// The text that `ids` stand for, with or without control tokens.
    pub fn decode_with(&self, ids: &[u32], special: SpecialText) -> Result<String, Error> {
        let mut stream = self.stream_with(special);
        let mut text = String::new();
        for id in ids {
            stream.push_onto(*id, &mut text)?;
        }
        text.push_str(&stream.finish());
        Ok(text)
    }

    /// The bytes a token stands for, which need not be whole characters.
    pub fn token_bytes(&self, id: u32) -> Result<&[u8], Error> {
        Ok(self.vocab.bytes(self.vocab.check(id)?))
    }

    /// The text of a token as the vocabulary writes it, such as `Ġhello` or `▁hello`.
    pub fn token_text(&self, id: u32) -> Result<&str, Error> {
        Ok(self.vocab.text(self.vocab.check(id)?))
    }

    /// The id of the token that the vocabulary writes so.
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.vocab.id(text)
    }

    /// Whether `id` is a control token, which plain text never becomes.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocab.is_control(id)
    }

    /// Whether a model that makes this token has finished: eos, end of turn, end of message and
    /// the control tokens known to mean one of these.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.vocab.is_end(id)
    }

    /// How many tokens there are.
    pub fn vocab_size(&self) -> usize {
        self.vocab.size() as usize
    }

    /// The token that begins a text.
    pub fn bos(&self) -> Option<u32> {
        self.vocab.bos
    }

    /// The token that ends a text.
    pub fn eos(&self) -> Option<u32> {
        self.vocab.eos
    }

    /// The token that ends a turn of a conversation, by metadata or by its well-known text.
    pub fn eot(&self) -> Option<u32> {
        self.vocab.eot
    }

    /// The token that fills batches.
    pub fn pad(&self) -> Option<u32> {
        self.vocab.pad
    }

    /// Which algorithm the vocabulary is for.
    pub fn kind(&self) -> TokenizerKind {
        self.vocab.kind
    }

    /// `tokenizer.ggml.pre`: how text is split before it is merged.
    pub fn pre(&self) -> Option<&str> {
        self.pre.as_deref()
    }

    /// Whether [`Tokenizer::encode`] puts bos first.
    pub fn add_bos(&self) -> bool {
        self.add_bos
    }

    /// Whether [`Tokenizer::encode`] puts eos last.
    pub fn add_eos(&self) -> bool {
        self.add_eos
    }

    /// A decoder of ids that arrive one by one and begin a text. It gives what
    /// [`Tokenizer::decode`] gives of all of them.
    pub fn stream(&self) -> DecodeStream<'_> {
        self.stream_with(SpecialText::Show)
    }

    /// A decoder of ids that begin a text, with or without control tokens.
    pub fn stream_with(&self, special: SpecialText) -> DecodeStream<'_> {
        DecodeStream::new(self, special)
    }

    fn encode_segments(
        &self,
        text: &str,
        special: Special,
        literal: &[usize],
    ) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::new();
        let mut after_special = true;
        for segment in self.special.segments(text, special, literal) {
            match segment {
                Segment::Token(id) => ids.push(id),
                Segment::Text(text) => match &self.algorithm {
                    Algorithm::ByteBpe(bpe) => bpe.encode(&self.vocab, text, &mut ids)?,
                    Algorithm::UnigramMerge(merges) => {
                        let prefix = self.space_prefix && after_special;
                        merges.encode(&self.vocab, text, prefix, &mut ids);
                    }
                },
            }
            after_special = matches!(segment, Segment::Token(_));
        }
        Ok(ids)
    }

    fn with_ends(&self, mut ids: Vec<u32>) -> Vec<u32> {
        self.add_bos_once(&mut ids);
        let eos = self.vocab.eos.filter(|_| self.add_eos);
        if ids.last().copied() != eos {
            ids.extend(eos);
        }
        ids
    }

    fn add_bos_once(&self, ids: &mut Vec<u32>) {
        let bos = self.vocab.bos.filter(|_| self.add_bos);
        if ids.first().copied() != bos {
            ids.splice(0..0, bos);
        }
    }

    /// What a token adds to a text. `at_start` says that the token begins a text or follows a
    /// special token, where encoding has put a space that is none of the text's; it is updated.
    pub(crate) fn piece(
        &self,
        id: u32,
        special: SpecialText,
        at_start: &mut bool,
    ) -> Result<&[u8], Error> {
        let bytes = self.token_bytes(id)?;
        let is_control = self.is_control(id);
        let token_type = self.vocab.token_type(id);
        if is_control || token_type == TokenType::UserDefined {
            *at_start = true;
            return Ok(if is_control && special == SpecialText::Hide {
                &[]
            } else {
                bytes
            });
        }
        let strips = std::mem::take(at_start) && self.space_prefix;
        // The space that encoding puts is a `▁`, never a byte token.
        let strips = strips && token_type != TokenType::Byte;
        Ok(bytes.strip_prefix(b" ").filter(|_| strips).unwrap_or(bytes))
    }
}

/// Which special tokens swallow the white space after them. A file does not say; of the
/// SentencePiece-style models Phi-3 is the one whose tokens do.
fn strip_rule(metadata: &Metadata, kind: TokenizerKind) -> Result<impl Fn(&str) -> bool, Error> {
    let is_phi3 = metadata.find_str("general.architecture")? == Some("phi3")
        && kind == TokenizerKind::SentencePieceBpe;
    Ok(move |text: &str| is_phi3 && !matches!(text, "<unk>" | "<s>" | "<|endoftext|>"))
}
