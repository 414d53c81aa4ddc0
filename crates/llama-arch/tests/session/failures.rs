//! Devices that fail.

use llama_arch::{Error, SamplingParams, Session, Trace};

use crate::{CHUNK, CONTEXT, assert_usable, continuation, greedy, load, prompt, scripted};

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
