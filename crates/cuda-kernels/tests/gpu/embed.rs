//! Decoding, to the last bit.

use cuda_kernels::WeightType;
use cuda_kernels::launch::{Embed, Weight};

use super::blocks::{random_rows, value};
use super::support::{Guarded, Random, assert_same, kernels};

#[test]
fn every_format_decodes_to_the_bit() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(1);
    for weight_type in WeightType::ALL {
        let row_lens: &[usize] = match weight_type.block_len() {
            1 => &[1, 3, 8, 100, 896],
            32 => &[32, 896, 1024],
            _ => &[256, 4864],
        };
        for &row_len in row_lens {
            let n_tokens = 19;
            let bytes = random_rows(weight_type, n_tokens, row_len, &mut random);
            let tokens: Vec<u32> = (0..40).map(|_| random.below(n_tokens) as u32).collect();
            let row_bytes = weight_type.row_bytes(row_len).unwrap();
            let expected = tokens.iter().flat_map(|&token| {
                let row = &bytes[token as usize * row_bytes..][..row_bytes];
                (0..row_len).map(|i| value(weight_type, row, i))
            });
            let expected: Vec<f32> = expected.collect();
            let (weight, ids) = (
                device.upload(&bytes).unwrap(),
                device.upload(&tokens).unwrap(),
            );
            let mut out = Guarded::new(device, tokens.len() * row_len);
            // The table in two parts, as a file may have it.
            for part in [0..8, 8..n_tokens] {
                let bytes = part.start * row_bytes..part.end * row_bytes;
                let launch = Embed {
                    table: Weight {
                        bytes: weight.view().range(bytes).unwrap(),
                        weight_type,
                        n_rows: part.len(),
                        row_len,
                    },
                    first_token: part.start,
                    tokens: ids.view(),
                    out: out.buffer.view_mut(),
                    n_rows: tokens.len(),
                };
                launch.launch(&kernels).unwrap();
            }
            assert_same(
                &out.read(),
                &expected,
                &format!("{weight_type:?}, {row_len}"),
            );
        }
    }
}
