//! Parsing one file from its first byte to where its tensors lie.

use super::Warnings;
use crate::cursor::{Cursor, text};
use crate::error::Error;
use crate::layout;
use crate::metadata::{MIN_PAIR_BYTES, Metadata, Value, ValueType};
use crate::shared_bytes::SharedBytes;
use crate::tensor::{DataSection, MIN_INFO_BYTES, TensorInfo};

pub(crate) const ALIGNMENT_KEY: &str = "general.alignment";
pub(crate) const DEFAULT_ALIGNMENT: u64 = 32;

/// One file, parsed.
pub(super) struct Part {
    pub(super) bytes: SharedBytes,
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<TensorInfo>,
    pub(super) warnings: Warnings,
}

pub(super) fn parse(bytes: SharedBytes) -> Result<Part, Error> {
    let mut cursor = Cursor::new(&bytes);
    let version = read_version(&mut cursor)?;
    let n_tensors = cursor.count(MIN_INFO_BYTES, "the number of tensors")?;
    let n_pairs = cursor.count(MIN_PAIR_BYTES, "the number of metadata pairs")?;
    let metadata = Metadata::read(&bytes, &mut cursor, n_pairs)?;
    let alignment = read_alignment(&metadata)?;

    // Again, now that the metadata is behind: the buffer is bounded by what remains.
    let at = cursor.offset();
    cursor.check_count(
        n_tensors as u64,
        MIN_INFO_BYTES,
        "the number of tensors",
        at,
    )?;
    let mut tensors = Vec::with_capacity(n_tensors);
    for _ in 0..n_tensors {
        tensors.push(TensorInfo::read(&mut cursor)?);
    }
    let data = data_section(&cursor, alignment);
    for tensor in &mut tensors {
        tensor.place(&bytes, &data)?;
    }
    let warnings = check_gaps(&bytes, &tensors, &data)?;
    Ok(Part {
        bytes,
        version,
        metadata,
        tensors,
        warnings,
    })
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, Error> {
    let head = cursor.rest();
    if !head.starts_with(b"GGUF") {
        let found = head[..head.len().min(4)].to_vec();
        return Err(Error::BadMagic {
            found,
            hint: what_it_is(head),
        });
    }
    cursor.u32("the magic number")?;
    match cursor.u32("the version")? {
        version @ (2 | 3) => Ok(version),
        found if matches!(found.swap_bytes(), 1..=3) => Err(Error::BigEndian { found }),
        version => Err(Error::UnsupportedVersion { version }),
    }
}

/// What a file that is no GGUF probably is, by its first bytes.
fn what_it_is(head: &[u8]) -> &'static str {
    const OLD: &str = "it is of a GGML format from before GGUF: convert the model again";
    let known: [(&[u8], &str); 13] = [
        (
            b"FUGG",
            "it is a GGUF with its bytes swapped: convert it to little-endian",
        ),
        (b"lmgg", OLD),
        (b"fmgg", OLD),
        (b"tjgg", OLD),
        (b"algg", OLD),
        (
            b"version https://git-lfs",
            "it is a Git LFS pointer: run `git lfs pull`",
        ),
        (
            b"<",
            "it is a web page: the download failed, or the link was to a page about the file",
        ),
        (
            b"{",
            "it is JSON, perhaps an error message of the server it was downloaded from",
        ),
        (
            b"PK\x03\x04",
            "it is a ZIP archive, perhaps a PyTorch checkpoint: convert it to GGUF",
        ),
        (
            b"\x80\x02",
            "it is a Python pickle: convert the model to GGUF",
        ),
        (b"\x1f\x8b", "it is compressed with gzip: decompress it"),
        (
            b"\x28\xb5\x2f\xfd",
            "it is compressed with zstd: decompress it",
        ),
        (
            b"\0\0\0\0",
            "it begins with zeros: the download did not finish",
        ),
    ];
    if head.is_empty() {
        return "it is empty: download it again";
    }
    if head.get(8) == Some(&b'{') {
        return "it looks like safetensors: convert the model to GGUF";
    }
    let found = known.iter().find(|(start, _)| head.starts_with(start));
    found.map_or("name a .gguf file", |(_, hint)| hint)
}

fn read_alignment(metadata: &Metadata) -> Result<u64, Error> {
    match metadata.value(ALIGNMENT_KEY) {
        None => Ok(DEFAULT_ALIGNMENT),
        // The format says u32, and readers that take it for another type read another file.
        Some(Value::U32(alignment)) => check_alignment(alignment.into()),
        Some(other) => Err(Error::WrongType {
            key: ALIGNMENT_KEY.to_owned(),
            expected: ValueType::U32.name(),
            found: other.value_type().name().to_owned(),
        }),
    }
}

/// The rule for alignments that reader and writer share: what both the specification (a multiple
/// of 8) and llama.cpp (a power of two) accept, up to a bound far above any in use.
pub(crate) fn check_alignment(alignment: u64) -> Result<u64, Error> {
    if alignment.is_power_of_two() && (8..=1 << 16).contains(&alignment) {
        Ok(alignment)
    } else {
        Err(Error::BadAlignment { alignment })
    }
}

/// The tensor data begins behind the descriptions. A file without tensors may end before that.
fn data_section(cursor: &Cursor<'_>, alignment: u64) -> DataSection {
    let total = cursor.offset() + cursor.remaining();
    let start = layout::align_up(cursor.offset(), alignment)
        .unwrap_or(total)
        .min(total);
    DataSection {
        start,
        len: total - start,
        alignment,
    }
}

/// Refuses tensors that share bytes, and counts the bytes that belong to none.
fn check_gaps(
    file: &SharedBytes,
    tensors: &[TensorInfo],
    data: &DataSection,
) -> Result<Warnings, Error> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_unstable_by_key(|info| info.range().start);

    let total = data.start + data.len;
    let mut warnings = Warnings::default();
    let mut end = data.start;
    let mut previous: Option<&TensorInfo> = None;
    for info in order {
        let range = info.range();
        if let Some(previous) = previous
            && range.start < previous.range().end
        {
            let name = |info: &TensorInfo| text(info.name(file)).to_owned();
            return Err(Error::Overlap {
                first: name(previous),
                second: name(info),
            });
        }
        if range.start > end {
            warnings.n_holes += 1;
            warnings.hole_bytes += range.start - end;
        }
        // Within the data, the next tensor begins at a multiple of the alignment.
        end = data.align_up(range.end).min(total);
        previous = Some(info);
    }
    warnings.trailing_bytes = total - end;
    Ok(warnings)
}
