//! Models of two layers in memory, random but the same every time.

use gguf::{MetadataValue, TensorType, Writer};

use crate::config::Architecture;
use crate::error::Result;

/// What the models are of in turns, so that everything that differs between them is run.
pub(super) const ARCHITECTURES: [Architecture; 4] = [
    Architecture::Llama,
    Architecture::Qwen2,
    Architecture::Qwen3,
    Architecture::Phi3,
];

const N_LAYERS: u32 = 2;
const HIDDEN: usize = 256;
const FFN: usize = 512;
const N_HEADS: usize = 4;
const N_KV_HEADS: usize = 2;
const HEAD_DIM: usize = 64;
const VOCAB: usize = 320;
const CONTEXT: u32 = 64;

/// A model with weight matrices of that type.
pub(super) fn model(architecture: Architecture, tensor_type: TensorType) -> Result<Vec<u8>> {
    let name = architecture.name();
    let mut file = Tiny {
        writer: Writer::new(),
        tensor_type,
        random: Random(tensor_type.id().into()),
    };
    file.writer.metadata("general.architecture", name);
    let size = |value: usize| MetadataValue::U32(value as u32);
    for (key, value) in [
        ("block_count", N_LAYERS.into()),
        ("context_length", CONTEXT.into()),
        ("embedding_length", size(HIDDEN)),
        ("feed_forward_length", size(FFN)),
        ("attention.head_count", size(N_HEADS)),
        ("attention.head_count_kv", size(N_KV_HEADS)),
        ("attention.layer_norm_rms_epsilon", 1e-5_f32.into()),
        ("rope.freq_base", 10_000_f32.into()),
        ("rope.dimension_count", size(HEAD_DIM)),
    ] {
        file.writer.metadata(format!("{name}.{key}"), value);
    }
    file.matrix("token_embd.weight", HIDDEN, VOCAB)?;
    for layer in 0..N_LAYERS {
        file.layer(layer, architecture)?;
    }
    file.vector("output_norm.weight", HIDDEN, 1.0)?;
    file.matrix("output.weight", HIDDEN, VOCAB)?;
    Ok(file.writer.to_bytes()?)
}

struct Tiny {
    writer: Writer,
    tensor_type: TensorType,
    random: Random,
}

impl Tiny {
    fn layer(&mut self, layer: u32, architecture: Architecture) -> Result<()> {
        let name = |role: &str| format!("blk.{layer}.{role}");
        let (q, kv) = (N_HEADS * HEAD_DIM, N_KV_HEADS * HEAD_DIM);
        self.vector(&name("attn_norm.weight"), HIDDEN, 1.0)?;
        if architecture == Architecture::Phi3 {
            self.matrix(&name("attn_qkv.weight"), HIDDEN, q + 2 * kv)?;
            self.matrix(&name("ffn_up.weight"), HIDDEN, 2 * FFN)?;
        } else {
            for (part, rows) in [("attn_q", q), ("attn_k", kv), ("attn_v", kv)] {
                self.matrix(&name(&format!("{part}.weight")), HIDDEN, rows)?;
                if architecture == Architecture::Qwen2 {
                    self.vector(&name(&format!("{part}.bias")), rows, 0.0)?;
                }
            }
            self.matrix(&name("ffn_gate.weight"), HIDDEN, FFN)?;
            self.matrix(&name("ffn_up.weight"), HIDDEN, FFN)?;
        }
        if architecture == Architecture::Qwen3 {
            self.vector(&name("attn_q_norm.weight"), HEAD_DIM, 1.0)?;
            self.vector(&name("attn_k_norm.weight"), HEAD_DIM, 1.0)?;
        }
        self.matrix(&name("attn_output.weight"), q, HIDDEN)?;
        self.vector(&name("ffn_norm.weight"), HIDDEN, 1.0)?;
        self.matrix(&name("ffn_down.weight"), FFN, HIDDEN)
    }

    fn vector(&mut self, name: &str, len: usize, mean: f32) -> Result<()> {
        let values: Vec<f32> = (0..len).map(|_| mean + 0.1 * self.random.value()).collect();
        self.tensor(name, [len, 1], TensorType::F32, &values)
    }

    fn matrix(&mut self, name: &str, row_len: usize, n_rows: usize) -> Result<()> {
        let deviation = 1.0 / (row_len as f32).sqrt();
        let dims = [row_len, n_rows];
        if let Some(layout) = Scales::of(self.tensor_type) {
            let blocks = row_len * n_rows / self.tensor_type.block_len();
            let bytes = self.random_blocks(&layout, blocks, deviation);
            let dims = dims.map(|dim| dim as u64);
            self.writer.tensor(name, &dims, self.tensor_type, bytes);
            return Ok(());
        }
        let values: Vec<f32> = (0..row_len * n_rows)
            .map(|_| deviation * self.random.value())
            .collect();
        self.tensor(name, dims, self.tensor_type, &values)
    }

    fn tensor(
        &mut self,
        name: &str,
        [row_len, n_rows]: [usize; 2],
        tensor_type: TensorType,
        values: &[f32],
    ) -> Result<()> {
        let bytes = gguf::quantize(tensor_type, values)?;
        let dims = [row_len as u64, n_rows as u64];
        let dims = if n_rows == 1 { &dims[..1] } else { &dims[..] };
        self.writer.tensor(name, dims, tensor_type, bytes);
        Ok(())
    }

    /// Blocks of random bits, all of which are valid, under scales that give values of that
    /// deviation.
    fn random_blocks(&mut self, layout: &Scales, n_blocks: usize, deviation: f32) -> Vec<u8> {
        let size = self.tensor_type.block_bytes();
        let mut bytes = Vec::with_capacity(n_blocks * size);
        for start in (0..n_blocks).map(|block| block * size) {
            bytes.extend((0..size).map(|_| (self.random.word() >> 24) as u8));
            let d = deviation / layout.deviation;
            let mut put = |at: usize, value: f32| {
                let half = gguf::f32_to_f16(value).to_le_bytes();
                bytes[start + at..start + at + 2].copy_from_slice(&half);
            };
            put(layout.d, d);
            if let Some((at, ratio)) = layout.dmin {
                put(at, d * ratio);
            }
        }
        bytes
    }
}

/// Where a block of a K type keeps its f16 scales, and what random bits under them amount to.
struct Scales {
    /// Offset of `d`.
    d: usize,
    /// Offset of `dmin`, and its ratio to `d` that makes the mean 0.
    dmin: Option<(usize, f32)>,
    /// Deviation of the values where `d` is 1.
    deviation: f32,
}

impl Scales {
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

/// A linear congruential generator.
struct Random(u64);

impl Random {
    fn word(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Mean 0, deviation 1, nearly normal.
    fn value(&mut self) -> f32 {
        let sum: f32 = (0..4)
            .map(|_| self.word() as f32 / u32::MAX as f32 - 0.5)
            .sum();
        sum * 3.0_f32.sqrt()
    }
}
