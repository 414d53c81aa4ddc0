//! One tensor into another type, on several threads, a few rows at a time.

use std::sync::mpsc;
use std::thread;

use gguf::{TensorType, TensorView, dequantize, quantize};

use crate::error::{Failure, Result};

/// Elements that a thread takes at a time, at least a row.
const CHUNK: usize = 1 << 18;

/// Encodes a tensor and passes its bytes on in order, with the number of rows they are. In memory
/// are at most three chunks a thread: one being made, one waiting, one passed on.
pub(crate) fn tensor(
    tensor: TensorView<'_>,
    to: TensorType,
    n_threads: usize,
    mut take: impl FnMut(usize, &[u8]) -> Result<()>,
) -> Result<()> {
    let n_rows = tensor.n_rows();
    let rows_each = (CHUNK / tensor.row_len()).clamp(1, n_rows);
    let n_chunks = n_rows.div_ceil(rows_each);
    let rows_of = |chunk: usize| {
        let start = chunk * rows_each;
        start..(start + rows_each).min(n_rows)
    };
    if tensor.tensor_type() == to {
        let row_bytes = to.row_bytes(tensor.row_len())?;
        for rows in (0..n_chunks).map(rows_of) {
            let bytes = &tensor.bytes()[rows.start * row_bytes..rows.end * row_bytes];
            take(rows.len(), bytes)?;
        }
        return Ok(());
    }
    let n_threads = n_threads.clamp(1, n_chunks);
    thread::scope(|scope| {
        let receivers: Vec<_> = (0..n_threads)
            .map(|first| {
                let (sender, receiver) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    for chunk in (first..n_chunks).step_by(n_threads) {
                        let rows = rows_of(chunk);
                        let bytes = encoded(tensor, rows.start, rows.len(), to);
                        // Nobody waits any more once something failed.
                        if sender.send((rows.len(), bytes)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for chunk in 0..n_chunks {
            let (rows, bytes) = receivers[chunk % n_threads]
                .recv()
                .map_err(|_| Failure::failed("a thread that encodes ended early"))?;
            take(rows, &bytes?)?;
        }
        Ok(())
    })
}

/// Some rows in the other type.
fn encoded(tensor: TensorView<'_>, first: usize, n_rows: usize, to: TensorType) -> Result<Vec<u8>> {
    let (from, row_len) = (tensor.tensor_type(), tensor.row_len());
    let row_bytes = from.row_bytes(row_len)?;
    let mut values = vec![0.0; n_rows * row_len];
    let bytes = &tensor.bytes()[first * row_bytes..][..n_rows * row_bytes];
    dequantize(from, bytes, &mut values)?;
    quantize(to, &values).map_err(|error| match error {
        gguf::Error::UnquantizableValue { index, value, .. } => Failure::failed(format_args!(
            "row {} of tensor `{}` holds {value}, which {to} cannot store; the model is damaged, \
             or needs F32 or BF16",
            first + index / row_len,
            tensor.name()
        )),
        other => other.into(),
    })
}

#[cfg(test)]
mod tests {
    use gguf::{GgufFile, Writer};

    use super::*;

    fn file(values: &[f32], row_len: u64) -> GgufFile {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let n_rows = values.len() as u64 / row_len;
        let mut writer = Writer::new();
        writer.tensor("a.weight", &[row_len, n_rows], TensorType::F32, bytes);
        GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap()
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes_in_order() {
        let values: Vec<f32> = (0..1_250_000).map(|i| (i as f32 * 0.37).sin()).collect();
        let file = file(&values[..1_249_984], 32);
        let whole = file.tensor("a.weight").unwrap();
        for to in [TensorType::Q4_0, TensorType::F16, TensorType::F32] {
            let expected = quantize(to, &values[..1_249_984]).unwrap();
            for n_threads in [1, 2, 3, 64] {
                let (mut bytes, mut n_rows) = (Vec::new(), 0);
                tensor(whole, to, n_threads, |rows, part| {
                    n_rows += rows;
                    bytes.extend_from_slice(part);
                    Ok(())
                })
                .unwrap();
                assert_eq!(n_rows, whole.n_rows());
                assert!(bytes == expected, "{to} on {n_threads} threads");
            }
        }
    }

    #[test]
    fn a_failure_ends_every_thread_and_names_the_row() {
        let mut values = vec![1.0; 2_000_000];
        values[1_500_000] = f32::NAN;
        let file = file(&values, 100_000);
        let bad = file.tensor("a.weight").unwrap();
        let failure = tensor(bad, TensorType::Q8_0, 2, |_, _| Ok(())).unwrap_err();
        let message = failure.message().unwrap();
        assert!(
            message.contains("row 15 of tensor `a.weight` holds NaN"),
            "{message}"
        );

        let failure = tensor(bad, TensorType::Q8_0, 3, |_, _| Err(Failure::Interrupted));
        assert!(matches!(failure, Err(Failure::Interrupted)));
    }
}
