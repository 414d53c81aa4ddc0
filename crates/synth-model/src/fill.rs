//! The bytes of any range of a tensor.
//!
//! Types that [`gguf::quantize`] encodes are quantised from Gaussian values. K-quants are blocks
//! of random bits, all of which are valid, under scales that give the values mean 0 and the
//! wanted deviation: every packing of scales, minimums and high bits occurs.

use gguf::TensorType;

use crate::error::{Error, Result};
use crate::random::Stream;
use crate::tensors::{Fill, TensorPlan};

/// Words from here on are for scales; those before, for the bits of blocks.
const SCALE_WORDS: u64 = 1 << 60;

/// Deviation of the biases of V, relative to those of Q and K.
const QUIET: f32 = 0.2;

/// Where a K-quant keeps its f16 scales, and what random bits under them amount to.
struct RandomBlock {
    /// Offset of `d` in a block.
    d: usize,
    /// Offset of `dmin`, and its ratio to `d` that makes the mean 0.
    dmin: Option<(usize, f32)>,
    /// Deviation of the values where `d` is 1.
    deviation: f32,
}

impl RandomBlock {
    /// The deviations follow from the moments of uniform integers: with scale `s`, quant `q` and
    /// minimum `m` independent, and `r = mean(s q) / mean(m)`, it is the root of
    /// `mean((s q - r m)^2)`.
    fn of(tensor_type: TensorType) -> Option<Self> {
        let (d, dmin, deviation) = match tensor_type {
            TensorType::Q2K => (80, Some((82, 1.5)), 13.87),
            TensorType::Q3K => (108, None, 43.34),
            TensorType::Q4K => (0, Some((2, 7.5)), 258.3),
            TensorType::Q5K => (0, Some((2, 15.5)), 526.9),
            TensorType::Q6K => (208, None, 1365.7),
            _ => return None,
        };
        Some(Self { d, dmin, deviation })
    }
}

impl TensorPlan {
    /// Elements `first..first + n` as the tensor's type stores them. Both are whole blocks.
    pub(crate) fn encode(&self, seed: u64, first: u64, n: usize) -> Result<Vec<u8>> {
        let stream = Stream::new(seed, &self.name);
        if let Some(block) = RandomBlock::of(self.tensor_type) {
            let Fill::Matrix { deviation } = self.fill else {
                return Err(Error::UnsupportedType {
                    tensor_type: self.tensor_type,
                });
            };
            let len = self.tensor_type.block_len();
            let blocks = first / len as u64..(first + n as u64) / len as u64;
            let scale = deviation / block.deviation;
            return Ok(self.random_blocks(stream, &block, scale, blocks));
        }
        if !self.tensor_type.can_quantize() {
            return Err(Error::UnsupportedType {
                tensor_type: self.tensor_type,
            });
        }
        Ok(gguf::quantize(
            self.tensor_type,
            &self.values(stream, first, n),
        )?)
    }

    fn values(&self, stream: Stream, first: u64, n: usize) -> Vec<f32> {
        let range = first..first + n as u64;
        match &self.fill {
            Fill::Matrix { deviation } => range.map(|i| stream.gaussian(i) * deviation).collect(),
            Fill::Norm { mean } => range
                .map(|i| mean * (1.0 + 0.1 * stream.gaussian(i)))
                .collect(),
            Fill::Values(values) => range.map(|i| values[i as usize]).collect(),
            Fill::Bias { bias, n_loud } => range
                .map(|i| match stream.word(SCALE_WORDS + i) % 128 {
                    _ if i >= *n_loud => QUIET * bias.deviation * stream.gaussian(i),
                    0 => bias.outlier,
                    1 => -bias.outlier,
                    _ => bias.deviation * stream.gaussian(i),
                })
                .collect(),
        }
    }

    fn random_blocks(
        &self,
        stream: Stream,
        layout: &RandomBlock,
        scale: f32,
        blocks: std::ops::Range<u64>,
    ) -> Vec<u8> {
        let size = self.tensor_type.block_bytes();
        let words = size.div_ceil(8) as u64;
        let mut bytes = Vec::with_capacity((blocks.end - blocks.start) as usize * size);
        for index in blocks {
            let start = bytes.len();
            let random = (0..words).flat_map(|w| stream.word(index * words + w).to_le_bytes());
            bytes.extend(random.take(size));
            // Scales within a quarter of each other, so that a mixed-up block shows.
            let unit = (stream.word(SCALE_WORDS + index) >> 40) as f32 / (1 << 24) as f32;
            let d = scale * (0.75 + 0.5 * unit);
            let mut put = |at: usize, value: f32| {
                let bits = half::f16::from_f32(value).to_le_bytes();
                bytes[start + at..start + at + 2].copy_from_slice(&bits);
            };
            put(layout.d, d);
            if let Some((at, ratio)) = layout.dmin {
                put(at, d * ratio);
            }
        }
        bytes
    }
}
