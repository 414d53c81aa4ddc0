//! What an executor refuses to compute.

use llama_arch::{Batch, Error, Execute, ExecutorOptions, Outputs};

use crate::{VOCAB, load, next, scripted};

/// Options so small that every limit can be passed by one.
const LIMITS: ExecutorOptions = ExecutorOptions {
    context_length: 64,
    max_sequences: 2,
    max_rows: 6,
    max_outputs: 2,
};

fn batch(rows: &[(&[u32], usize, &[u32], Outputs)]) -> Batch {
    let mut batch = Batch::new();
    for &(tokens, start, blocks, outputs) in rows {
        batch.push(tokens, start, blocks, outputs);
    }
    batch
}

/// A batch at every limit.
fn good() -> Batch {
    use Outputs::{All, Last};
    batch(&[(&[1, 2, 3, 4, 5], 59, &[3, 0], Last), (&[9], 31, &[2], All)])
}

fn assert_good(executor: &mut dyn Execute) {
    let logits = executor.forward(&good(), None).unwrap();
    assert_eq!(logits.n_rows(), 2);
    let largest = |row: &[f32]| (0..VOCAB).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    assert_eq!(largest(logits.row(0).unwrap()), Some(next(5, 63) as usize));
    assert_eq!(largest(logits.row(1).unwrap()), Some(next(9, 31) as usize));
}

#[test]
fn batches_that_contradict_themselves_or_the_plan_are_refused() {
    use Outputs::{All, Last, None};
    let mut executor = load(scripted()).unwrap().executor(&LIMITS).unwrap();
    for (bad, reason) in [
        (batch(&[(&[0; 7], 0, &[0], Last)]), "7 rows, at most 6"),
        (
            batch(&[(&[0; 3], 0, &[0], None), (&[0; 4], 0, &[1], None)]),
            "7 rows, at most 6",
        ),
        (
            batch(&[(&[0; 3], 0, &[0], All)]),
            "3 rows with logits, at most 2",
        ),
        (
            batch(&[(&[0; 2], 0, &[0], All), (&[0], 0, &[1], Last)]),
            "3 rows with logits",
        ),
        (
            batch(&[(&[0; 2], 31, &[0], Last)]),
            "1 cache blocks cannot hold 33 positions",
        ),
        (
            batch(&[(&[0], 0, &[], Last)]),
            "0 cache blocks cannot hold 1 positions",
        ),
        (batch(&[(&[0], 0, &[4], Last)]), "cache block 4 of 4"),
        (
            batch(&[(&[0], 0, &[0, u32::MAX], Last)]),
            "cache block 4294967295 of 4",
        ),
        (
            batch(&[(&[0], 0, &[0], Last), (&[], 5, &[1], Last)]),
            "a sequence without rows",
        ),
    ] {
        let error = executor.forward(&bad, Option::None).unwrap_err();
        assert!(
            matches!(error, Error::InvalidBatch { .. }),
            "{reason}: {error}"
        );
        assert!(error.to_string().contains(reason), "{reason}: {error}");
        assert_good(executor.as_mut());
    }
}

#[test]
fn empty_batches_unknown_tokens_and_late_positions_are_refused() {
    use Outputs::{Last, None};
    let mut executor = load(scripted()).unwrap().executor(&LIMITS).unwrap();
    let error = executor.forward(&Batch::new(), Option::None).unwrap_err();
    assert!(matches!(error, Error::EmptyPrompt), "{error}");
    let unknown = batch(&[(&[1], 0, &[0], Last), (&[2, 288], 0, &[1], None)]);
    let error = executor.forward(&unknown, Option::None).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TokenOutOfRange {
                id: 288,
                vocab: VOCAB
            }
        ),
        "{error}"
    );
    let late = batch(&[(&[1], 0, &[0], Last), (&[1, 2], 63, &[1, 2, 3], Last)]);
    let error = executor.forward(&late, Option::None).unwrap_err();
    assert!(
        matches!(
            error,
            Error::ContextOverflow {
                needed: 65,
                available: 64,
                model: 512
            }
        ),
        "{error}"
    );
    assert_good(executor.as_mut());
}

#[test]
fn steps_without_outputs_have_no_logits() {
    let mut executor = load(scripted()).unwrap().executor(&LIMITS).unwrap();
    let some = batch(&[(&[1, 2], 0, &[0], Outputs::All)]);
    assert_eq!(executor.forward(&some, None).unwrap().n_rows(), 2);
    let none = batch(&[(&[1, 2], 2, &[0], Outputs::None)]);
    assert_eq!(executor.forward(&none, None).unwrap().n_rows(), 0);
}
