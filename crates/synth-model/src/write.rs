//! From a specification to bytes: pieces of tensors are made in parallel and written in order, so
//! that a file may be far larger than memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use gguf::{GgufFile, Writer};

use crate::error::{Error, Result};
use crate::metadata::keys;
use crate::spec::ModelSpec;
use crate::tensors::{TensorPlan, plan};

/// Alignment of tensors in a file that does not state another.
const ALIGNMENT: u64 = 32;

/// Elements made at a time by one thread; a multiple of every block length.
const PIECE: u64 = 1 << 18;

/// The model as a file in memory, with a small byte-level vocabulary.
///
/// # Errors
/// A specification that contradicts itself, or a weight type without a generator.
pub fn to_bytes(spec: &ModelSpec, seed: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(spec, seed, None, n_threads(), &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

/// Writes the model to a file in pieces, with the vocabulary of another file or the small one.
/// Returns the number of bytes written.
///
/// # Errors
/// As [`to_bytes`], or a file that cannot be written.
pub fn write_to_file(
    spec: &ModelSpec,
    seed: u64,
    vocab: Option<&GgufFile>,
    path: &Path,
) -> Result<u64> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let mut n_bytes = 0;
    write(spec, seed, vocab, n_threads(), &mut |piece| {
        n_bytes += piece.len() as u64;
        file.write_all(piece).map_err(failed)
    })?;
    file.flush().map_err(failed)?;
    Ok(n_bytes)
}

/// Memory grows with the threads, and beyond these the disk is the limit.
fn n_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(16))
}

/// Elements of one tensor that are made together, and the padding after them.
struct Piece<'a> {
    tensor: &'a TensorPlan,
    first: u64,
    n: usize,
    padding: usize,
}

impl Piece<'_> {
    fn encode(&self, seed: u64) -> Result<Vec<u8>> {
        let mut bytes = self.tensor.encode(seed, self.first, self.n)?;
        bytes.resize(bytes.len() + self.padding, 0);
        Ok(bytes)
    }
}

fn pieces(tensor: &TensorPlan) -> impl Iterator<Item = Piece<'_>> {
    let n_elements = tensor.n_elements();
    (0..n_elements.div_ceil(PIECE)).map(move |index| {
        let first = index * PIECE;
        let n = PIECE.min(n_elements - first);
        let is_last = first + n == n_elements;
        let padding = if is_last {
            padding(tensor.n_bytes())
        } else {
            0
        };
        Piece {
            tensor,
            first,
            n: n as usize,
            padding,
        }
    })
}

fn padding(n_bytes: u64) -> usize {
    (n_bytes.next_multiple_of(ALIGNMENT) - n_bytes) as usize
}

fn write(
    spec: &ModelSpec,
    seed: u64,
    vocab: Option<&GgufFile>,
    n_threads: usize,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let tensors = plan(spec)?;
    sink(&header(spec, vocab, &tensors)?)?;
    let pieces: Vec<Piece<'_>> = tensors.iter().flat_map(pieces).collect();
    let mut ready: Vec<Result<Vec<u8>>> = Vec::new();
    for batch in pieces.chunks(2 * n_threads) {
        // While this batch is made, the one before it is written.
        ready = std::thread::scope(|scope| {
            let share = batch.len().div_ceil(n_threads);
            let encode = |piece: &Piece<'_>| piece.encode(seed);
            let threads: Vec<_> = batch
                .chunks(share)
                .map(|share| scope.spawn(move || share.iter().map(encode).collect::<Vec<_>>()))
                .collect();
            let written = ready.drain(..).try_for_each(|piece| sink(&piece?));
            let made = threads.into_iter().flat_map(|thread| match thread.join() {
                Ok(pieces) => pieces,
                Err(payload) => std::panic::resume_unwind(payload),
            });
            let made = made.collect();
            written.map(|()| made)
        })?;
    }
    ready.drain(..).try_for_each(|piece| sink(&piece?))
}

/// All that stands before the tensor data.
fn header(spec: &ModelSpec, vocab: Option<&GgufFile>, tensors: &[TensorPlan]) -> Result<Vec<u8>> {
    let mut writer = Writer::new();
    for (key, value) in keys(spec, vocab)? {
        writer.metadata(key, value);
    }
    for tensor in tensors {
        writer.tensor(&*tensor.name, &tensor.dims, tensor.tensor_type, Vec::new());
    }
    Ok(writer.header_bytes()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Arch;

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let spec = ModelSpec {
            vocab: 3000,
            ..ModelSpec::tiny(Arch::Phi3)
        };
        let with = |n_threads| {
            let mut bytes = Vec::new();
            write(&spec, 3, None, n_threads, &mut |piece| {
                bytes.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
            bytes
        };
        let one = with(1);
        assert_eq!(with(3), one);
        assert_eq!(with(16), one);
    }
}
