//! Devices that fail and logits that are no numbers.

use llama_arch::backend::scripted::{ScriptedBackend, ScriptedRow};
use llama_arch::{Batch, Error, ExecutorOptions, Outputs, SamplingParams, Session, Trace};

use crate::{
    CHUNK, CONTEXT, VOCAB, assert_usable, continuation, greedy, ids, load, prompt, script, scripted,
};

/// Is it the failure that the script ordered for operation `n`?
fn assert_failed_at(error: &Error, n: usize) {
    let Error::DeviceFailed { op, reason } = error else {
        panic!("operation {n}: {error}")
    };
    assert!(
        !op.is_empty() && reason.ends_with(&format!("operation {n}")),
        "{n}: {error}"
    );
}

#[test]
fn any_operation_may_fail_and_only_what_needed_it_fails() {
    const TOKENS: usize = 4;
    let prompt = prompt(2 * CHUNK + 10);
    let expected = continuation(&prompt, TOKENS);
    let backend = scripted();
    let model = load(backend.clone()).unwrap();
    let loaded = backend.operations();
    let mut session = model.session(CONTEXT).unwrap();
    let ready = backend.operations();
    assert_eq!(greedy(&mut session, &prompt, TOKENS), expected);
    let finished = backend.operations();
    assert!(0 < loaded && loaded + 5 < ready && ready + 100 < finished);

    for n in 0..finished {
        let model = match load(scripted().failing_at(n)) {
            Err(error) => {
                assert!(n < loaded, "{n}: {error}");
                assert_failed_at(&error, n);
                continue;
            }
            Ok(model) => model,
        };
        assert!(n >= loaded, "{n} did not fail");
        let mut session = match model.session(CONTEXT) {
            Err(error) => {
                assert!(n < ready, "{n}: {error}");
                assert_failed_at(&error, n);
                model.session(CONTEXT).unwrap()
            }
            Ok(mut session) => {
                assert!(n >= ready, "{n} did not fail");
                assert_fails_while_generating(&mut session, n, (&prompt, &expected));
                session
            }
        };
        assert_eq!(
            greedy(&mut session, &prompt, TOKENS),
            expected,
            "after {n} failed"
        );
    }
}

fn assert_fails_while_generating(
    session: &mut Session,
    n: usize,
    (prompt, expected): (&[u32], &[u32]),
) {
    let mut generation = match session.generate(prompt, &SamplingParams::default()) {
        Ok(generation) => generation,
        Err(error) => return assert_failed_at(&error, n),
    };
    for &token in expected {
        match generation.next().unwrap() {
            Ok(sampled) => assert_eq!(sampled.id, token, "before {n} failed"),
            Err(error) => {
                assert_failed_at(&error, n);
                assert!(generation.next().is_none() && generation.finish().is_none());
                return;
            }
        }
    }
    panic!("{n} did not fail");
}

#[test]
fn a_trace_may_fail_too() {
    let backend = scripted();
    let mut session = load(backend.clone()).unwrap().session(CONTEXT).unwrap();
    let ready = backend.operations();
    let mut trace = Trace::new();
    session.trace(&prompt(3), &mut trace).unwrap();
    let finished = backend.operations();
    // embed, ten of each of two layers, output_norm, logits.
    assert_eq!(trace.entries().len(), 23);
    for n in ready..finished {
        let mut session = load(scripted().failing_at(n))
            .unwrap()
            .session(CONTEXT)
            .unwrap();
        assert_failed_at(
            &session.trace(&prompt(3), &mut Trace::new()).unwrap_err(),
            n,
        );
        assert_eq!(session.tokens(), []);
        assert_usable(&mut session);
    }
}

/// The token whose logits are not all finite.
const POISONED: u32 = 100;

/// The script, but rows of the poisoned token hold these values too.
fn poisoned(values: &'static [f32]) -> ScriptedBackend {
    ScriptedBackend::new(move |row, logits| {
        script(row, logits);
        if row.token == POISONED {
            logits[5..5 + values.len()].copy_from_slice(values);
        }
    })
}

const NON_FINITE: [&[f32]; 4] = [
    &[f32::NAN],
    &[f32::INFINITY],
    &[f32::NEG_INFINITY],
    &[f32::NAN; VOCAB - 5],
];

#[test]
fn non_finite_logits_fail_their_row_alone() {
    for values in NON_FINITE {
        let model = load(poisoned(values)).unwrap();
        let mut executor = model.executor(&ExecutorOptions::batch(CONTEXT, 3)).unwrap();
        let mut batch = Batch::new();
        batch.push(&[1, 2], 0, &[4], Outputs::Last);
        batch.push(&[1, POISONED], 7, &[5], Outputs::Last);
        // A poisoned row that nobody asked about.
        batch.push(&[POISONED, 3], 31, &[7, 2], Outputs::Last);
        let logits = executor.forward(&batch, None).unwrap();
        assert_eq!(logits.n_rows(), 3);
        for (row, token, position) in [(0, 2, 1), (2, 3, 32)] {
            let mut expected = vec![0.0; VOCAB];
            script(ScriptedRow { token, position }, &mut expected);
            assert_eq!(logits.row(row).unwrap(), expected);
        }
        let error = logits.row(1).unwrap_err();
        let Error::NonFinite { position: 8, count } = error else {
            panic!("{error}")
        };
        assert_eq!(count, values.len());
    }
}

#[test]
fn non_finite_logits_end_a_generation() {
    // The prompt whose third token is the poisoned one.
    let start = (0..VOCAB as u32)
        .find(|&t| continuation(&[t], 9)[2] == POISONED)
        .unwrap();
    for values in NON_FINITE {
        let mut session = load(poisoned(values)).unwrap().session(CONTEXT).unwrap();
        let mut generation = session
            .generate(&[start], &SamplingParams::default())
            .unwrap();
        assert_eq!(ids(generation.by_ref().take(3)), continuation(&[start], 3));
        let error = generation.next().unwrap().unwrap_err();
        assert!(
            matches!(error, Error::NonFinite { position: 3, .. }),
            "{error}"
        );
        assert!(generation.next().is_none() && generation.finish().is_none());
        let error = session
            .generate(&[7, POISONED], &SamplingParams::default())
            .err()
            .unwrap();
        assert!(
            matches!(error, Error::NonFinite { position: 1, .. }),
            "{error}"
        );
        assert_eq!(greedy(&mut session, &[7, 8], 1), continuation(&[7, 8], 1));
    }
}
