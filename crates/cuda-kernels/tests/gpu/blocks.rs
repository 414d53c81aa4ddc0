//! Random blocks of every format, and the value of one element by the format's definition.

use cuda_kernels::{WeightType, f16};

use super::support::Random;

/// Where the scales of a block are: f16 each.
fn scale_offsets(weight_type: WeightType) -> &'static [usize] {
    match weight_type {
        WeightType::F32 | WeightType::F16 | WeightType::Bf16 => &[],
        WeightType::Q8_0 | WeightType::Q4_0 | WeightType::Q5_0 => &[0],
        WeightType::Q4_1 | WeightType::Q5_1 | WeightType::Q4K | WeightType::Q5K => &[0, 2],
        WeightType::Q2K => &[80, 82],
        WeightType::Q3K => &[108],
        WeightType::Q6K => &[208],
    }
}

/// Rows of blocks: every bit random but those of the scales, which are modest.
pub(crate) fn random_rows(
    weight_type: WeightType,
    n_rows: usize,
    row_len: usize,
    random: &mut Random,
) -> Vec<u8> {
    let n_bytes = n_rows * weight_type.row_bytes(row_len).unwrap();
    match weight_type {
        WeightType::F32 => random_values(n_bytes / 4, random, |v| v.to_le_bytes().to_vec()),
        WeightType::F16 => random_values(n_bytes / 2, random, |v| {
            f16::from_f32(v).to_le_bytes().to_vec()
        }),
        WeightType::Bf16 => random_values(n_bytes / 2, random, |v| v.to_le_bytes()[2..].to_vec()),
        _ => {
            let mut bytes: Vec<u8> = (0..n_bytes).map(|_| random.next() as u8).collect();
            for block in bytes.chunks_exact_mut(weight_type.block_bytes()) {
                for &at in scale_offsets(weight_type) {
                    let scale = f16::from_f32(random.float() / 16.0);
                    block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
                }
            }
            bytes
        }
    }
}

fn random_values(len: usize, random: &mut Random, bytes: impl Fn(f32) -> Vec<u8>) -> Vec<u8> {
    (0..len).flat_map(|_| bytes(random.float())).collect()
}

/// Element `i` of a row.
pub(crate) fn value(weight_type: WeightType, row: &[u8], i: usize) -> f32 {
    let (len, bytes) = (weight_type.block_len(), weight_type.block_bytes());
    let block = &row[i / len * bytes..][..bytes];
    let i = i % len;
    let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
    // The nibble of element i of 32, and its fifth bit.
    let nibble = |at: usize| f32::from(block[at + i % 16] >> (i / 16 * 4) & 15);
    let fifth = |at: usize| f32::from((block[at + i / 8] >> (i % 8) & 1) << 4);
    match weight_type {
        WeightType::F32 => f32::from_le_bytes(block.try_into().unwrap()),
        WeightType::F16 => half(0),
        WeightType::Bf16 => f32::from_le_bytes([0, 0, block[0], block[1]]),
        WeightType::Q8_0 => half(0) * f32::from(block[2 + i].cast_signed()),
        WeightType::Q4_0 => half(0) * (nibble(2) - 8.0),
        WeightType::Q4_1 => half(0) * nibble(4) + half(2),
        WeightType::Q5_0 => half(0) * (nibble(6) + fifth(2) - 16.0),
        WeightType::Q5_1 => half(0) * (nibble(8) + fifth(4)) + half(2),
        _ => k_value(weight_type, block, i),
    }
}

/// Element `i` of a block of 256.
fn k_value(weight_type: WeightType, block: &[u8], i: usize) -> f32 {
    let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
    let pair = |at: usize| block[at + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    let nibble = |at: usize| block[at + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
    let bit = |at: usize| block[at + i % 32] >> (i / 32) & 1;
    match weight_type {
        WeightType::Q2K => {
            let packed = block[i / 16];
            let (scale, minimum) = (f32::from(packed & 15), f32::from(packed >> 4));
            half(80) * scale * f32::from(pair(16)) - half(82) * minimum
        }
        WeightType::Q3K => {
            let group = i / 16;
            let low = block[96 + group % 8] >> (group / 8 * 4) & 15;
            let high = block[104 + group % 4] >> (group / 4 * 2) & 3;
            let scale = half(108) * (f32::from(low + 16 * high) - 32.0);
            scale * (f32::from(pair(32) + 4 * bit(0)) - 4.0)
        }
        WeightType::Q6K => {
            let low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
            let scale = half(208) * f32::from(block[192 + i / 16].cast_signed());
            scale * (f32::from(low + 16 * pair(128)) - 32.0)
        }
        _ => {
            let (scale, minimum) = scale_and_minimum(&block[4..16], i / 32);
            let quant = match weight_type {
                WeightType::Q4K => nibble(16),
                _ => nibble(48) + 16 * bit(16),
            };
            half(0) * scale * f32::from(quant) - half(2) * minimum
        }
    }
}

fn scale_and_minimum(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = match group {
        0..4 => (packed[group] & 63, packed[group + 4] & 63),
        _ => (
            packed[group + 4] & 15 | packed[group - 4] >> 6 << 4,
            packed[group + 4] >> 4 | packed[group] >> 6 << 4,
        ),
    };
    (f32::from(scale), f32::from(minimum))
}
