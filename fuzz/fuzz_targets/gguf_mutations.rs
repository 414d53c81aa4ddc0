//! A valid file in which up to eight numbers lie: counts, lengths, types, dimensions, offsets.

#![no_main]

use arbitrary::{Result, Unstructured};
use gguf::{GgufFile, TensorType};
use worker_orcd_fuzz::file_bytes::{FileBytes, value};
use worker_orcd_fuzz::invariants::check_accepted;

const KEYS: [&str; 6] = [
    "general.name",
    "a",
    "split.count",
    "llama.block_count",
    "kéy",
    "z",
];
const NAMES: [&str; 4] = [
    "token_embd.weight",
    "blk.0.attn_q.weight",
    "t",
    "output.weight",
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Bytes that do not suffice for all choices are no input.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut file = valid(u)?;
    let is_valid = file.mutate(u, 8)?;
    match GgufFile::from_bytes(file.bytes) {
        Ok(file) => check_accepted(&file),
        Err(error) => assert!(!is_valid, "a valid file is refused: {error}"),
    }
    Ok(())
}

fn valid(u: &mut Unstructured<'_>) -> Result<FileBytes> {
    let n_pairs = u.int_in_range(0..=4_usize)?;
    let n_tensors = u.int_in_range(0..=NAMES.len())?;
    let alignment = *u.choose(&[None, Some(8), Some(32), Some(64), Some(4096)])?;
    let n_keys = n_pairs as u64 + u64::from(alignment.is_some());
    let mut file = FileBytes::new(u.int_in_range(2..=3)?, n_tensors as u64, n_keys);
    for key in &KEYS[..n_pairs] {
        pair(&mut file, key, u)?;
    }
    if let Some(alignment) = alignment {
        file.u32_pair("general.alignment", alignment);
    }
    tensors(
        &mut file,
        &NAMES[..n_tensors],
        alignment.unwrap_or(32).into(),
        u,
    )?;
    Ok(file)
}

fn pair(file: &mut FileBytes, key: &str, u: &mut Unstructured<'_>) -> Result<()> {
    // One of several files is refused in memory, and that is another target's business.
    if key == "split.count" {
        file.u32_pair(key, 1);
        return Ok(());
    }
    match u.int_in_range(0..=6_u8)? {
        0 => file.str_pair(key, u.arbitrary()?),
        1 => {
            file.array(key, value::STR, 3);
            ["", "a", "añ"].iter().for_each(|text| file.string(text));
        }
        2 => {
            file.array(key, value::U32, 2);
            (0..2).for_each(|i| file.u32(i));
        }
        3 => {
            file.array(key, value::BOOL, 2);
            file.bytes.extend([0, 1]);
        }
        4 => file.bool_pair(key, u.arbitrary()?),
        5 => {
            file.key(key, value::U64);
            file.u64(u.arbitrary()?);
        }
        _ => file.u32_pair(key, u.arbitrary()?),
    }
    Ok(())
}

fn tensors(
    file: &mut FileBytes,
    names: &[&str],
    alignment: u64,
    u: &mut Unstructured<'_>,
) -> Result<()> {
    let mut offset = 0;
    for name in names {
        let tensor_type = *u.choose(TensorType::ALL)?;
        let (len, bytes) = (
            tensor_type.block_len() as u64,
            tensor_type.block_bytes() as u64,
        );
        let blocks = u.int_in_range(1..=2)?;
        let rows = u.int_in_range(1..=2)?;
        let dims = [blocks * len, rows, 1, 1];
        let n_dims = u.int_in_range(2..=4_usize)?;
        file.tensor(name, &dims[..n_dims], tensor_type.id(), offset);
        offset += (blocks * rows * bytes).next_multiple_of(alignment);
    }
    if offset > 0 {
        file.pad(alignment as usize);
        let fill = u.arbitrary()?;
        file.bytes.resize(file.bytes.len() + offset as usize, fill);
    }
    Ok(())
}
