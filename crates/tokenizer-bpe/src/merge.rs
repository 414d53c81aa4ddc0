//! Byte-level BPE: a word's bytes are merged pair by pair in the order of the vocabulary's rules.

mod queue;

pub(crate) use queue::{Merge, MergeTable};

use crate::Error;
use crate::pretokenize::PreTokenizer;
use crate::vocab::{TokenType, Vocab, char_of_byte};
use gguf::Metadata;

const MERGES: &str = "tokenizer.ggml.merges";

/// The rules of one vocabulary.
#[derive(Debug)]
pub(crate) struct ByteBpe {
    pub(crate) pre: PreTokenizer,
    table: MergeTable,
    byte_tokens: [Option<u32>; 256],
}

impl ByteBpe {
    /// Reads `tokenizer.ggml.merges`. Of equal rules the first counts. A rule whose product is a
    /// control token is left out, so that plain text cannot become one.
    pub(crate) fn from_metadata(metadata: &Metadata, vocab: &Vocab) -> Result<ByteBpe, Error> {
        let pre = metadata
            .find_str("tokenizer.ggml.pre")?
            .ok_or(Error::MissingPreTokenizer)?;
        let pre = PreTokenizer::from_name(pre)?;
        let rules = metadata.str_array(MERGES)?;
        let mut table = MergeTable::with_capacity(rules.len());
        let mut joined = String::new();
        for (index, rule) in rules.iter().enumerate() {
            let error = |reason| Error::BadMerge {
                index,
                text: rule.to_owned(),
                reason,
            };
            let (left, right) = rule
                .split_once(' ')
                .ok_or_else(|| error("it has no space"))?;
            if right.contains(' ') {
                return Err(error("it has more than one space"));
            }
            joined.clear();
            joined.extend([left, right]);
            let left = vocab
                .id(left)
                .ok_or_else(|| error("its left part is no token"))?;
            let right = vocab
                .id(right)
                .ok_or_else(|| error("its right part is no token"))?;
            let symbol = vocab
                .id(&joined)
                .ok_or_else(|| error("what it makes is no token"))?;
            let priority = u32::try_from(index).map_err(|_| error("there are too many rules"))?;
            if !vocab.is_control(symbol) {
                table.insert(left, right, Merge { priority, symbol });
            }
        }
        let byte_token = |byte: usize| {
            let spelt = char_of_byte(byte as u8);
            vocab
                .id(spelt.encode_utf8(&mut [0; 4]))
                .filter(|id| !vocab.is_control(*id))
        };
        Ok(ByteBpe {
            pre,
            table,
            byte_tokens: std::array::from_fn(byte_token),
        })
    }

    /// Appends the tokens of `text`, which holds no special token.
    pub(crate) fn encode(
        &self,
        vocab: &Vocab,
        text: &str,
        out: &mut Vec<u32>,
    ) -> Result<(), Error> {
        let mut symbols = Vec::new();
        let mut spelt = String::new();
        for word in self.pre.split(text) {
            if self.pre.ignore_merges {
                spelt.clear();
                spelt.extend(word.bytes().map(char_of_byte));
                let whole = vocab.id(&spelt);
                if let Some(id) = whole.filter(|id| vocab.token_type(*id) == TokenType::Normal) {
                    out.push(id);
                    continue;
                }
            }
            symbols.clear();
            for byte in word.bytes() {
                let token = self.byte_tokens[usize::from(byte)];
                symbols.push(token.ok_or(Error::UnencodableByte { byte })?);
            }
            self.table.merge(&mut symbols);
            out.extend_from_slice(&symbols);
        }
        Ok(())
    }
}
