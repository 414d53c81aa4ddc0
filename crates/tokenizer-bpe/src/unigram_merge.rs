//! SentencePiece-style BPE: characters are merged in the order of the scores of what they make,
//! and what stays no token is spelt in byte tokens.

use std::collections::HashMap;

use crate::Error;
use crate::hash::KeyedState;
use crate::merge::{Merge, MergeTable};
use crate::vocab::{TokenType, TokenizerKind, Vocab};
use gguf::Metadata;

const SCORES: &str = "tokenizer.ggml.scores";

/// Longer tokens are never made by merging. No real one is near; without a bound a file could ask
/// for work that grows with the square of a token's length.
const LONGEST_MERGED: usize = 256;

/// The scores of one vocabulary, as merges.
///
/// A symbol is a token's id, or the vocabulary's size plus the code point of a character that is
/// no token.
#[derive(Debug)]
pub(crate) struct UnigramMerge {
    table: MergeTable,
    char_tokens: HashMap<u64, u32, KeyedState>,
    byte_tokens: [u32; 256],
    /// Tokens that may be passed through but not returned, and the two symbols that made them.
    unused: HashMap<u32, (u32, u32)>,
}

impl UnigramMerge {
    pub(crate) fn from_metadata(metadata: &Metadata, vocab: &Vocab) -> Result<UnigramMerge, Error> {
        debug_assert!(vocab.kind == TokenizerKind::SentencePieceBpe);
        let scores = metadata.f32_array(SCORES)?;
        let (expected, found) = (vocab.size() as usize, scores.len());
        if found != expected {
            return Err(Error::VocabMismatch {
                key: SCORES,
                expected,
                found,
            });
        }
        if let Some(index) = scores.iter().position(|score| score.is_nan()) {
            return Err(Error::BadScore { index });
        }
        let mut merges = UnigramMerge {
            table: MergeTable::with_capacity(2 * scores.len()),
            char_tokens: HashMap::default(),
            byte_tokens: byte_tokens(vocab)?,
            unused: HashMap::new(),
        };
        let ids = || (0..vocab.size()).filter(|id| is_mergeable(vocab, *id));
        for id in ids() {
            let mut chars = vocab.text(id).chars();
            if let (Some(c), None) = (chars.next(), chars.next()) {
                merges.char_tokens.entry(u64::from(c)).or_insert(id);
            }
        }
        let priorities = priorities(&scores);
        for (id, priority) in ids().zip(ids().filter_map(|id| priorities.get(id as usize))) {
            // Of equal texts only the one that a look-up finds is ever made.
            if vocab.id(vocab.text(id)) == Some(id) {
                merges.add_token(
                    vocab,
                    Merge {
                        priority: *priority,
                        symbol: id,
                    },
                );
            }
        }
        Ok(merges)
    }

    /// Adds every pair of symbols that together spell the token.
    fn add_token(&mut self, vocab: &Vocab, merge: Merge) {
        let text = vocab.text(merge.symbol);
        if text.len() > LONGEST_MERGED {
            return;
        }
        let is_unused = vocab.token_type(merge.symbol) == TokenType::Unused;
        for (middle, _) in text.char_indices().skip(1) {
            let (left, right) = text.split_at(middle);
            let symbols = self.symbol(vocab, left).zip(self.symbol(vocab, right));
            if let Some((left, right)) = symbols {
                self.table.insert(left, right, merge);
                if is_unused {
                    self.unused.entry(merge.symbol).or_insert((left, right));
                }
            }
        }
    }

    fn symbol(&self, vocab: &Vocab, text: &str) -> Option<u32> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Some(self.char_symbol(vocab, c)),
            _ => vocab.id(text).filter(|id| is_mergeable(vocab, *id)),
        }
    }

    fn char_symbol(&self, vocab: &Vocab, c: char) -> u32 {
        let token = self.char_tokens.get(&u64::from(c));
        token.copied().unwrap_or(vocab.size() + u32::from(c))
    }

    /// Appends the tokens of `text`, which holds no special token, after a space if `space_prefix`.
    pub(crate) fn encode(&self, vocab: &Vocab, text: &str, space_prefix: bool, out: &mut Vec<u32>) {
        let prefix = space_prefix.then_some('▁');
        let chars = text.chars().map(|c| if c == ' ' { '▁' } else { c });
        let mut symbols: Vec<u32> = prefix
            .into_iter()
            .chain(chars)
            .map(|c| self.char_symbol(vocab, c))
            .collect();
        self.table.merge(&mut symbols);
        for symbol in symbols {
            self.push_tokens(vocab, symbol, out);
        }
    }

    /// Appends the token of a symbol: itself, the parts of an unused token, or byte tokens.
    fn push_tokens(&self, vocab: &Vocab, symbol: u32, out: &mut Vec<u32>) {
        let mut waiting = vec![symbol];
        while let Some(symbol) = waiting.pop() {
            if let Some((left, right)) = self.unused.get(&symbol) {
                waiting.extend([*right, *left]);
                continue;
            }
            let Some(c) = symbol.checked_sub(vocab.size()).and_then(char::from_u32) else {
                out.push(symbol);
                continue;
            };
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).bytes();
            out.extend(bytes.map(|byte| self.byte_tokens[usize::from(byte)]));
        }
    }
}

fn is_mergeable(vocab: &Vocab, id: u32) -> bool {
    match vocab.token_type(id) {
        TokenType::Normal => true,
        // A single unused character has no parts to fall back to: it is spelt in bytes.
        TokenType::Unused => vocab.text(id).chars().nth(1).is_some(),
        TokenType::Unknown | TokenType::Control | TokenType::UserDefined | TokenType::Byte => false,
    }
}

/// The rank of each token's score: equal scores have equal ranks, the highest has rank 0.
fn priorities(scores: &[f32]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let mut ranks = vec![0; scores.len()];
    let mut rank = 0;
    for pair in order.windows(2) {
        rank += u32::from(scores[pair[0]] != scores[pair[1]]);
        ranks[pair[1]] = rank;
    }
    ranks
}

/// The token of each byte. All 256 must be there: any text can be spelt then.
fn byte_tokens(vocab: &Vocab) -> Result<[u32; 256], Error> {
    let mut found = [None; 256];
    for id in (0..vocab.size()).filter(|id| vocab.token_type(*id) == TokenType::Byte) {
        for byte in vocab.bytes(id) {
            if found[usize::from(*byte)].replace(id).is_some() {
                let (index, text) = (id as usize, vocab.text(id).to_owned());
                let reason = "another token stands for the same byte";
                return Err(Error::BadByteToken {
                    index,
                    text,
                    reason,
                });
            }
        }
    }
    let mut tokens = [0; 256];
    for (byte, (token, found)) in (0..=255).zip(tokens.iter_mut().zip(found)) {
        *token = found.ok_or(Error::MissingByteToken { byte })?;
    }
    Ok(tokens)
}
