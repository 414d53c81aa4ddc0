//! Files of log probabilities, in the format of `llama-perplexity --save-all-logits`, so that
//! either program reads what the other wrote.
//!
//! `_logits_`, context, vocabulary and number of chunks in 32 bits each, the tokens of all chunks
//! in 32 bits each, and for every scored row of every chunk: a step and the least log probability
//! as f32, then for every token how many steps it lies above that, in 16 bits, padded to 4 bytes.
//! Tokens whose logit is more than 16 below the best are stored as if it were 16.

use std::io::{Read, Write};

use super::scored;
use crate::error::{Failure, Result};

const MAGIC: &[u8; 8] = b"_logits_";

/// How far below the best logits are told apart.
const RANGE: f32 = 16.0;

/// What comes before the rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    /// Tokens of a chunk.
    pub(crate) context: usize,
    /// Tokens there are.
    pub(crate) vocab: usize,
    /// The chunks, one after the other.
    pub(crate) tokens: Vec<u32>,
}

impl Header {
    /// Whole chunks.
    pub(crate) fn n_chunks(&self) -> usize {
        self.tokens.len() / self.context
    }

    /// Writes what comes before the rows.
    pub(crate) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        for number in [self.context, self.vocab, self.n_chunks()] {
            bytes.extend((number as u32).to_le_bytes());
        }
        bytes.extend(self.tokens.iter().flat_map(|token| token.to_le_bytes()));
        out.write_all(&bytes)
    }

    /// Reads what comes before the rows; `n_bytes` is the size of the whole file.
    pub(crate) fn read(from: &mut impl Read, n_bytes: u64) -> Result<Self> {
        let mut head = [0; 20];
        from.read_exact(&mut head).map_err(|_| not_ours())?;
        let numbers = head[8..].as_chunks::<4>().0;
        let [context, vocab, n_chunks] = [0, 1, 2].map(|i| u32::from_le_bytes(numbers[i]));
        // A file says how large it is twice: so no count is trusted further than its bytes go.
        let sound = head.starts_with(MAGIC) && context >= 4 && vocab > 0 && n_chunks > 0;
        let (context_, vocab_, n) = (u64::from(context), u64::from(vocab), u64::from(n_chunks));
        let rows = u128::from(n) * scored(context_.max(4) as usize).len() as u128;
        let expected = 20 + 4 * u128::from(n * context_) + rows * u128::from(row_words(vocab_)) * 2;
        if !sound || expected != u128::from(n_bytes) {
            return Err(not_ours());
        }
        let mut bytes = vec![0; (4 * n * context_) as usize];
        from.read_exact(&mut bytes).map_err(|_| not_ours())?;
        let tokens = bytes.as_chunks::<4>().0.iter();
        let tokens: Vec<u32> = tokens.map(|bytes| u32::from_le_bytes(*bytes)).collect();
        if tokens.iter().any(|&token| token >= vocab) {
            return Err(not_ours());
        }
        Ok(Self {
            context: context as usize,
            vocab: vocab as usize,
            tokens,
        })
    }

    /// Reads the rows of the next chunk.
    pub(crate) fn read_chunk(&self, from: &mut impl Read) -> Result<Vec<Vec<u16>>> {
        let words = row_words(self.vocab as u64) as usize;
        let row = |_| {
            let mut bytes = vec![0; words * 2];
            from.read_exact(&mut bytes).map_err(|error| {
                Failure::failed(format_args!("cannot read the log probabilities: {error}"))
            })?;
            let words = bytes.as_chunks::<2>().0.iter();
            Ok(words.map(|bytes| u16::from_le_bytes(*bytes)).collect())
        };
        scored(self.context).map(row).collect()
    }
}

fn not_ours() -> Failure {
    Failure::failed(
        "this is no file of log probabilities, or not all of one; \
         `worker-orcd perplexity --save-logits` writes them",
    )
}

/// 16-bit words of a row.
fn row_words(vocab: u64) -> u64 {
    4 + vocab.next_multiple_of(2)
}

/// Packs the log probabilities of a row of logits, whose log of the sum of exponentials is known.
pub(super) fn pack(logits: &[f32], log_sum: f64) -> Vec<u16> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let least = logits.iter().copied().fold(f32::INFINITY, f32::min);
    let least = least.max(largest - RANGE);
    let step = (largest - least) / f32::from(u16::MAX);
    let least_log_prob = (f64::from(least) - log_sum) as f32;
    let mut words = Vec::with_capacity(row_words(logits.len() as u64) as usize);
    for value in [step, least_log_prob] {
        let bits = value.to_bits();
        words.extend([bits as u16, (bits >> 16) as u16]);
    }
    let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
    // Casts of floats saturate.
    words.extend(
        logits
            .iter()
            .map(|logit| ((logit - least) * inverse).round_ties_even() as u16),
    );
    words.resize(row_words(logits.len() as u64) as usize, 0);
    words
}

/// The log probabilities of a row, and of its padding.
pub(super) fn unpack(words: &[u16]) -> impl Iterator<Item = f32> {
    let float = |at: usize| {
        let (low, high) = (words.get(at), words.get(at + 1));
        let (low, high) = (low.copied().unwrap_or(0), high.copied().unwrap_or(0));
        f32::from_bits(u32::from(low) | u32::from(high) << 16)
    };
    let (step, least) = (float(0), float(2));
    let steps = words.iter().skip(4);
    steps.map(move |&n| step * f32::from(n) + least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Header, Vec<u8>) {
        let header = Header {
            context: 8,
            vocab: 5,
            tokens: (0..16).map(|i| i % 5).collect(),
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes).unwrap();
        for row in 0..6 {
            let logits = [row as f32, 1.0, -30.0, 0.5, 2.0];
            let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
            let words = pack(&logits, sum.ln());
            bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        (header, bytes)
    }

    #[test]
    fn what_is_written_is_read() {
        let (header, bytes) = sample();
        let mut from = &bytes[..];
        assert_eq!(Header::read(&mut from, bytes.len() as u64).unwrap(), header);
        for chunk in 0..2 {
            let rows = header.read_chunk(&mut from).unwrap();
            assert_eq!(rows.len(), 3);
            let logits = [(chunk * 3) as f32, 1.0, -30.0, 0.5, 2.0];
            let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
            let largest = logits.iter().copied().fold(f32::MIN, f32::max);
            for (found, logit) in unpack(&rows[0]).zip(logits) {
                let expected = logit.max(largest - 16.0) - sum.ln() as f32;
                assert!((found - expected).abs() < 2e-4, "{found} {expected}");
            }
        }
        assert!(from.is_empty());
        assert!(header.read_chunk(&mut from).is_err());
    }

    #[test]
    fn damaged_files_are_refused() {
        let (_, bytes) = sample();
        for len in 0..bytes.len() {
            assert!(
                Header::read(&mut &bytes[..len], len as u64).is_err(),
                "{len}"
            );
        }
        for (at, byte) in [
            (0, b'-'),
            (8, 1),
            (8, 0),
            (11, 0xff),
            (12, 0),
            (19, 0xff),
            (20, 9),
        ] {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            assert!(
                Header::read(&mut &bytes[..], bytes.len() as u64).is_err(),
                "{at}"
            );
        }
    }
}
