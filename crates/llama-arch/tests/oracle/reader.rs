//! Reads what `transformers_logits.py` writes: what another implementation computes for the
//! models of `synth_model::cases()`.
//!
//! A file is little-endian: the magic `ORCL`, the version (u32), the hash of the model file
//! (u64), the numbers of prompt ids, greedy ids, positions and vocabulary rows (4 u32), the
//! smallest gap (f32), then the ids and positions (u32) and the logits (f32).

#![allow(dead_code, reason = "each test reads the part it compares")]

use std::path::Path;

/// The logits of one case.
#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    /// `synth_model::fnv1a` of the model file that was run. If the generator's differs, the
    /// oracle is stale.
    pub(crate) model_hash: u64,
    /// The prompt.
    pub(crate) prompt: Vec<u32>,
    /// What greedy decoding appends to it.
    pub(crate) greedy: Vec<u32>,
    /// Positions of `prompt` followed by `greedy` whose logits are kept, ascending.
    pub(crate) positions: Vec<usize>,
    /// `[positions][vocab]`, row-major: the logits after the token at that position.
    pub(crate) logits: Vec<f32>,
    /// Length of a row of logits.
    pub(crate) vocab: usize,
    /// The smallest difference between the best and the second-best logit of a greedy step.
    pub(crate) min_gap: f32,
}

impl Oracle {
    /// The oracle of the case of that name, from this folder.
    ///
    /// # Errors
    /// Says which file is missing or malformed.
    pub(crate) fn load(name: &str) -> Result<Self, String> {
        let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../llama-arch/tests/oracle");
        if !folder.exists() {
            // A test built elsewhere and run in the workspace of this machine.
            folder = "crates/llama-arch/tests/oracle".into();
        }
        Self::read(&folder.join(format!("{name}.logits")))
    }

    /// The oracle in a file.
    ///
    /// # Errors
    /// As [`Oracle::load`].
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&bytes).ok_or_else(|| format!("{}: malformed", path.display()))
    }

    /// The logits after the `index`-th of the kept positions.
    pub(crate) fn row(&self, index: usize) -> &[f32] {
        &self.logits[index * self.vocab..][..self.vocab]
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (hash, rest) = rest.split_first_chunk::<8>()?;
        let words: Vec<[u8; 4]> = rest
            .chunks_exact(4)
            .map(|w| [w[0], w[1], w[2], w[3]])
            .collect();
        let word = |at: usize| words.get(at).copied().map(u32::from_le_bytes);
        let sizes = [word(0)?, word(1)?, word(2)?, word(3)?].map(|size| size as usize);
        let [n_prompt, n_greedy, n_positions, vocab] = sizes;
        let expected = 5 + n_prompt + n_greedy + n_positions * (1 + vocab);
        let is_ours = magic == b"ORCL" && u32::from_le_bytes(*version) == 1;
        if !is_ours || words.len() != expected || rest.len() % 4 != 0 {
            return None;
        }
        let mut values = words[5..].iter().copied();
        let mut ids = |n| {
            values
                .by_ref()
                .take(n)
                .map(u32::from_le_bytes)
                .collect::<Vec<u32>>()
        };
        let (prompt, greedy, positions) = (ids(n_prompt), ids(n_greedy), ids(n_positions));
        Some(Self {
            model_hash: u64::from_le_bytes(*hash),
            prompt,
            greedy,
            positions: positions
                .into_iter()
                .map(|position| position as usize)
                .collect(),
            logits: values.map(f32::from_le_bytes).collect(),
            vocab,
            min_gap: f32::from_le_bytes(words[4]),
        })
    }
}
