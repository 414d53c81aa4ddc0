//! Sessions and executors over a backend that computes nothing: every token is known beforehand,
//! and every operation can fail.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

#[path = "session/watched.rs"]
mod watched;

use std::sync::{Arc, Mutex, OnceLock};

use gguf::GgufFile;
use llama_arch::backend::Backend;
use llama_arch::backend::scripted::{ScriptedBackend, ScriptedRow};
use llama_arch::{
    Batch, CancelFlag, Error, Execute, ExecutorOptions, Finish, LlamaModel, LoadOptions, Outputs,
    Sampled, SamplingParams, Session, Trace,
};
use synth_model::{Arch, ModelSpec, RopeScaling, RopeSpec};

use crate::watched::Watched;

const VOCAB: usize = 288;
const MODEL_CONTEXT: usize = 512;
/// Positions of the sessions here: three chunks, the last one short.
const CONTEXT: usize = 300;
/// Rows of a session's prefill chunk.
const CHUNK: usize = 128;

fn file() -> &'static GgufFile {
    static FILE: OnceLock<GgufFile> = OnceLock::new();
    FILE.get_or_init(|| {
        let spec = ModelSpec {
            hidden: 32,
            ffn: 32,
            head_dim: 8,
            vocab: VOCAB,
            context_length: MODEL_CONTEXT,
            rope: RopeSpec {
                theta: 1e4,
                dims: 8,
                scaling: RopeScaling::None,
            },
            ..ModelSpec::tiny(Arch::Qwen3)
        };
        GgufFile::from_bytes(synth_model::to_bytes(&spec, 1).unwrap()).unwrap()
    })
}

/// The token that follows `token` at `position`.
fn next(token: u32, position: usize) -> u32 {
    (token * 31 + position as u32 * 17 + 5) % VOCAB as u32
}

/// Fills logits so that the largest is that of [`next`], all others finite and distinct.
fn script(row: ScriptedRow, logits: &mut [f32]) {
    for (id, logit) in logits.iter_mut().enumerate() {
        *logit = -(id as f32) / 64.0;
    }
    // Buffers other than the logits are read by traces.
    if logits.len() == VOCAB {
        logits[next(row.token, row.position as usize) as usize] = 4.0;
    }
}

fn scripted() -> ScriptedBackend {
    ScriptedBackend::new(script)
}

fn load(backend: impl Backend) -> Result<LlamaModel, Error> {
    LlamaModel::load_with(file(), backend, LoadOptions::default())
}

fn session() -> Session {
    load(scripted()).unwrap().session(CONTEXT).unwrap()
}

fn prompt(len: usize) -> Vec<u32> {
    (0..len)
        .map(|i| ((i * i * 13 + i * 7 + 3) % VOCAB) as u32)
        .collect()
}

/// The `n` tokens after a prompt.
fn continuation(prompt: &[u32], n: usize) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    for _ in 0..n {
        tokens.push(next(tokens[tokens.len() - 1], tokens.len() - 1));
    }
    tokens.split_off(prompt.len())
}

fn ids(tokens: impl Iterator<Item = Result<Sampled, Error>>) -> Vec<u32> {
    tokens.map(|token| token.unwrap().id).collect()
}

fn greedy(session: &mut Session, prompt: &[u32], n: usize) -> Vec<u32> {
    ids(session
        .generate(prompt, &SamplingParams::default())
        .unwrap()
        .take(n))
}

/// The session is as good as new: a fresh prompt continues as the script says.
fn assert_usable(session: &mut Session) {
    let other: Vec<u32> = prompt(140).into_iter().rev().collect();
    assert_eq!(greedy(session, &other, 3), continuation(&other, 3));
}

#[test]
fn tokens_and_positions_reach_the_model_in_prompts_of_any_length() {
    let mut session = session();
    for len in [
        1,
        2,
        3,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        2 * CHUNK,
        2 * CHUNK + 1,
        290,
    ] {
        let prompt = prompt(len);
        assert_eq!(
            greedy(&mut session, &prompt, 9),
            continuation(&prompt, 9),
            "{len} tokens"
        );
    }
}

#[test]
fn prefill_and_decode_return_the_logits_after_the_last_token() {
    let mut session = session();
    let tokens = prompt(200);
    let mut expected = vec![0.0; VOCAB];
    for (part, end) in [(0..150, 150), (150..151, 151), (151..200, 200)] {
        let logits = session.prefill(&tokens[part]).unwrap();
        let row = ScriptedRow {
            token: tokens[end - 1],
            position: end as u32 - 1,
        };
        script(row, &mut expected);
        assert_eq!(logits, expected);
        assert_eq!(session.tokens(), &tokens[..end]);
    }
    let logits = session.decode(7).unwrap();
    script(
        ScriptedRow {
            token: 7,
            position: 200,
        },
        &mut expected,
    );
    assert_eq!(logits, expected);
    session.truncate(10);
    let logits = session.decode(9).unwrap();
    script(
        ScriptedRow {
            token: 9,
            position: 10,
        },
        &mut expected,
    );
    assert_eq!(logits, expected);
    assert_eq!(session.tokens(), [&tokens[..10], &[9]].concat());
}

#[test]
fn what_does_not_fit_is_refused_with_both_counts() {
    let mut session = session();
    let overflow = |error: Error, tokens: usize| {
        let Error::ContextOverflow {
            needed,
            available,
            model,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((needed, available, model), (tokens, CONTEXT, MODEL_CONTEXT));
        let text = error.to_string();
        assert!(
            text.contains(&tokens.to_string()) && text.contains("300"),
            "{text}"
        );
    };
    let params = SamplingParams::default();
    for len in [CONTEXT + 1, CONTEXT + CHUNK, 5000] {
        overflow(session.generate(&prompt(len), &params).err().unwrap(), len);
        overflow(session.prefill(&prompt(len)).unwrap_err(), len);
        assert_eq!(session.tokens(), [], "nothing of it was computed");
    }
    session.prefill(&prompt(CONTEXT)).unwrap();
    overflow(session.decode(1).unwrap_err(), CONTEXT + 1);
    assert_usable(&mut session);
}

#[test]
fn contexts_beyond_the_model_are_refused() {
    let model = load(scripted()).unwrap();
    assert!(model.session(MODEL_CONTEXT).is_ok());
    let error = model.session(MODEL_CONTEXT + 1).err().unwrap();
    assert!(
        matches!(
            error,
            Error::ContextTooLong {
                requested: 513,
                model: MODEL_CONTEXT
            }
        ),
        "{error}"
    );
}

#[test]
fn empty_prompts_and_unknown_tokens_are_refused_and_leave_the_session_usable() {
    let mut session = session();
    let params = SamplingParams::default();
    assert!(matches!(
        session.generate(&[], &params),
        Err(Error::EmptyPrompt)
    ));
    assert!(matches!(session.prefill(&[]), Err(Error::EmptyPrompt)));
    let unknown = |error| {
        let Error::TokenOutOfRange { id, vocab: VOCAB } = error else {
            panic!("{error}")
        };
        id
    };
    for bad in [VOCAB as u32, u32::MAX] {
        // In the first chunk and in the last.
        for at in [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 5] {
            let mut tokens = prompt(2 * CHUNK + 6);
            tokens[at] = bad;
            assert_eq!(
                unknown(session.generate(&tokens, &params).err().unwrap()),
                bad
            );
            session.truncate(0);
            assert_eq!(unknown(session.prefill(&tokens).unwrap_err()), bad);
        }
        assert_eq!(unknown(session.decode(bad).unwrap_err()), bad);
        assert_usable(&mut session);
    }
    let wrong = SamplingParams {
        temperature: 3.0,
        ..params
    };
    assert!(matches!(
        session.generate(&[1], &wrong),
        Err(Error::InvalidSampling { .. })
    ));
    assert_usable(&mut session);
}

#[test]
fn stop_tokens_end_the_output_and_are_no_part_of_it() {
    let mut session = session();
    let prompt = prompt(20);
    let tokens = continuation(&prompt, 40);
    for n in [0, 1, 7] {
        // The first time this token comes is what counts.
        let stop = tokens[n];
        let n = tokens.iter().position(|&token| token == stop).unwrap();
        let stop_tokens = vec![stop, next(0, 0)];
        let params = SamplingParams {
            stop_tokens,
            ..Default::default()
        };
        let mut generation = session.generate(&prompt, &params).unwrap();
        assert_eq!(generation.finish(), None);
        assert_eq!(ids(generation.by_ref()), tokens[..n]);
        assert_eq!(generation.finish(), Some(Finish::StopToken(stop)));
        assert!(generation.next().is_none(), "an ended output stays ended");
        assert_eq!(session.tokens(), [&prompt[..], &tokens[..n]].concat());
    }
}

#[test]
fn a_full_context_ends_the_output() {
    let mut session = session();
    for len in [CONTEXT, CONTEXT - 1, CONTEXT - 2, CONTEXT - 30] {
        let prompt = prompt(len);
        // The last token needs no position: it is chosen, and never computed with.
        let expected = continuation(&prompt, CONTEXT - len + 1);
        let mut generation = session
            .generate(&prompt, &SamplingParams::default())
            .unwrap();
        assert_eq!(ids(generation.by_ref()), expected);
        assert_eq!(generation.finish(), Some(Finish::ContextFull));
        assert!(generation.next().is_none());
        assert_eq!(session.tokens().len(), CONTEXT);
    }
    assert_usable(&mut session);
}

/// A session, and the tokens of every step since the list was last taken.
fn watched(on_step: impl Fn(&[u32]) + Send + Sync + 'static) -> Session {
    let backend = Watched {
        scripted: scripted(),
        on_step: Arc::new(on_step),
    };
    load(backend).unwrap().session(CONTEXT).unwrap()
}

#[test]
fn what_the_session_holds_of_a_prompt_is_not_computed_again() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&steps);
    let mut session = watched(move |tokens| record.lock().unwrap().push(tokens.to_vec()));
    let first = prompt(200);
    let mut longer = first.clone();
    longer.extend([1, 2, 3]);
    let mut continued = first.clone();
    continued.extend(continuation(&first, 4));
    continued.push(50);
    let mut diverging = first.clone();
    diverging[90] ^= 1;
    for (prompt, reused) in [
        (&first, 0),
        (&first, 199),
        (&longer, 200),
        (&first, 199),
        // The fifth token of an output is chosen but not computed with: four are held.
        (&continued, 204),
        (&diverging, 90),
        (&first, 90),
        (&first[..60].to_vec(), 59),
        (&first, 60),
        (&vec![first[0] + 1], 0),
        (&first, 0),
    ] {
        steps.lock().unwrap().clear();
        let mut generation = session
            .generate(prompt, &SamplingParams::default())
            .unwrap();
        assert_eq!(generation.reused_tokens(), reused);
        assert_eq!(
            steps.lock().unwrap().concat(),
            prompt[reused..],
            "{} tokens",
            prompt.len()
        );
        assert_eq!(ids(generation.by_ref().take(5)), continuation(prompt, 5));
    }
}

#[test]
fn cancellation_stops_between_tokens() {
    let mut session = session();
    let cancel = session.cancel_flag();
    let prompt = prompt(20);
    for n in [1, 2, 5] {
        let mut generation = session
            .generate(&prompt, &SamplingParams::default())
            .unwrap();
        assert_eq!(ids(generation.by_ref().take(n)), continuation(&prompt, n));
        cancel.cancel();
        assert!(matches!(generation.next(), Some(Err(Error::Cancelled))));
        assert!(generation.next().is_none());
        assert_eq!(generation.finish(), None);
        assert_eq!(session.tokens().len(), prompt.len() + n - 1);
        assert!(cancel.is_cancelled());
        let refused = session.generate(&prompt, &SamplingParams::default());
        assert!(matches!(refused, Err(Error::Cancelled)));
        cancel.reset();
        assert_usable(&mut session);
    }
}

#[test]
fn cancellation_stops_between_the_chunks_of_a_prompt() {
    let prompt = prompt(CONTEXT);
    for chunks in 1..=2 {
        let flag: Arc<OnceLock<CancelFlag>> = Arc::default();
        let steps = Arc::new(Mutex::new(0));
        let (set, count) = (Arc::clone(&flag), Arc::clone(&steps));
        let mut session = watched(move |_| {
            let mut steps = count.lock().unwrap();
            *steps += 1;
            if *steps == chunks {
                set.get().unwrap().cancel();
            }
        });
        flag.set(session.cancel_flag())
            .unwrap_or_else(|_| panic!("set twice"));
        assert!(matches!(session.prefill(&prompt), Err(Error::Cancelled)));
        assert_eq!(
            *steps.lock().unwrap(),
            chunks,
            "no chunk after the one that was running"
        );
        assert_eq!(session.tokens(), &prompt[..chunks * CHUNK]);
        session.cancel_flag().reset();
        let generation = session
            .generate(&prompt, &SamplingParams::default())
            .unwrap();
        assert_eq!(generation.reused_tokens(), chunks * CHUNK);
        assert_eq!(ids(generation), continuation(&prompt, 1));
    }
}

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

#[test]
fn progress_grows_to_the_whole() {
    let mut seen = Vec::new();
    let mut progress = |done, total| seen.push((done, total));
    let options = LoadOptions {
        progress: Some(&mut progress),
    };
    LlamaModel::load_with(file(), scripted(), options).unwrap();
    let total: u64 = file()
        .tensors()
        .map(|tensor| tensor.bytes().len() as u64)
        .sum();
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0));
    assert!(seen.iter().all(|&(_, of)| of == total));
    assert_eq!(
        (seen.len(), seen[seen.len() - 1].0),
        (file().tensors().count(), total)
    );
}

/// The script, but rows of token `POISONED` hold non-finite values.
const POISONED: u32 = 100;

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

#[test]
fn batches_that_contradict_themselves_or_the_plan_are_refused() {
    use Outputs::{All, Last, None};
    let mut executor = load(scripted()).unwrap().executor(&LIMITS).unwrap();
    let good = batch(&[(&[1, 2, 3, 4, 5], 59, &[3, 0], Last), (&[9], 31, &[2], All)]);
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
        assert_good(executor.as_mut(), &good);
    }
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
    assert_good(executor.as_mut(), &good);
}

fn assert_good(executor: &mut dyn Execute, good: &Batch) {
    let logits = executor.forward(good, None).unwrap();
    assert_eq!(logits.n_rows(), 2);
    let largest = |row: &[f32]| (0..VOCAB).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    assert_eq!(largest(logits.row(0).unwrap()), Some(next(5, 63) as usize));
    assert_eq!(largest(logits.row(1).unwrap()), Some(next(9, 31) as usize));
}

#[test]
fn steps_without_outputs_have_no_logits() {
    let mut executor = load(scripted()).unwrap().executor(&LIMITS).unwrap();
    let some = batch(&[(&[1, 2], 0, &[0], Outputs::All)]);
    assert_eq!(executor.forward(&some, None).unwrap().n_rows(), 2);
    let none = batch(&[(&[1, 2], 2, &[0], Outputs::None)]);
    assert_eq!(executor.forward(&none, None).unwrap().n_rows(), 0);
}
