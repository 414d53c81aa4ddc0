//! Packing loses nothing: a packed table gives the values of the file, to the bit.

use cuda_kernels::launch::{EmbedPacked, PackedWeight, Repack, RepackRows, RowOrder, Weight};
use cuda_kernels::{Buffer, Kernels, WeightType};

use super::blocks::{random_rows, value};
use super::support::{Guarded, Random, assert_same, kernels};

/// Every type that is packed.
pub(crate) fn packed_types() -> impl Iterator<Item = WeightType> {
    let all = WeightType::ALL.into_iter();
    all.filter(|weight_type| weight_type.unit_bytes().is_some())
}

/// Packs rows as files store them; with [`RowOrder::Paired`] those of both halves.
pub(crate) fn packed(
    kernels: &Kernels,
    weight_type: WeightType,
    [n_rows, row_len]: [usize; 2],
    order: RowOrder,
    bytes: &[u8],
) -> Buffer<u8> {
    let device = kernels.device();
    let raw = device.upload(bytes).unwrap();
    let n_bytes = PackedWeight::bytes(weight_type, n_rows, row_len, order).unwrap();
    let mut units = device.upload(&vec![0xee_u8; n_bytes]).unwrap();
    let row_bytes = weight_type.row_bytes(row_len).unwrap();
    let part = |rows: std::ops::Range<usize>| Weight {
        bytes: raw
            .view()
            .range(rows.start * row_bytes..rows.end * row_bytes)
            .unwrap(),
        weight_type,
        n_rows: rows.len(),
        row_len,
    };
    // In two slices where the first can end at a whole tile.
    let (n, tile) = match order {
        RowOrder::Plain => (n_rows, 16),
        RowOrder::Paired => (n_rows / 2, 8),
    };
    let whole = if n > tile && row_bytes.is_multiple_of(16) {
        tile
    } else {
        0
    };
    let unit_row = n_bytes / n.div_ceil(tile);
    for slice in [0..whole, whole..n] {
        if slice.is_empty() {
            continue;
        }
        let at = slice.start / tile * unit_row..slice.end.div_ceil(tile) * unit_row;
        let rows = match order {
            RowOrder::Plain => RepackRows::Plain(part(slice)),
            RowOrder::Paired => RepackRows::Paired {
                gate: part(slice.clone()),
                up: part(n + slice.start..n + slice.end),
            },
        };
        let units = units.view_mut().range(at).unwrap();
        Repack { rows, units }.launch(kernels).unwrap();
    }
    units
}

#[test]
fn every_format_survives_packing_to_the_bit() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(1);
    for weight_type in packed_types() {
        let row_lens: &[usize] = match weight_type.block_len() {
            1 => &[8, 100, 896],
            32 => &[32, 96, 896],
            _ => &[256, 768],
        };
        for (&row_len, n_tokens) in row_lens.iter().zip([1, 19, 40]) {
            let bytes = random_rows(weight_type, n_tokens, row_len, &mut random);
            let shape = [n_tokens, row_len];
            let units = packed(&kernels, weight_type, shape, RowOrder::Plain, &bytes);
            let tokens: Vec<u32> = (0..40).map(|_| random.below(n_tokens) as u32).collect();
            let row_bytes = weight_type.row_bytes(row_len).unwrap();
            let expected = tokens.iter().flat_map(|&token| {
                let row = &bytes[token as usize * row_bytes..][..row_bytes];
                (0..row_len).map(|i| value(weight_type, row, i))
            });
            let expected: Vec<f32> = expected.collect();
            let ids = device.upload(&tokens).unwrap();
            let mut out = Guarded::new(device, tokens.len() * row_len);
            let launch = EmbedPacked {
                table: PackedWeight {
                    units: units.view(),
                    weight_type,
                    n_rows: n_tokens,
                    row_len,
                    order: RowOrder::Plain,
                },
                first_token: 0,
                tokens: ids.view(),
                out: out.buffer.view_mut(),
                n_rows: tokens.len(),
            };
            launch.launch(&kernels).unwrap();
            assert_same(
                &out.read(),
                &expected,
                &format!("{weight_type:?}, {n_tokens} rows of {row_len}"),
            );
        }
    }
}
