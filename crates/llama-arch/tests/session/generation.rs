//! What a session returns, and when it ends.

use std::sync::{Arc, Mutex, OnceLock};

use llama_arch::backend::scripted::ScriptedRow;
use llama_arch::{CancelFlag, Error, Finish, LlamaModel, LoadOptions, SamplingParams};

use crate::{
    CHUNK, CONTEXT, VOCAB, assert_usable, continuation, file, greedy, ids, next, prompt, script,
    scripted, session, watched_session,
};

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

#[test]
fn tokens_and_positions_reach_the_model_in_prompts_of_any_length() {
    let mut session = session();
    let ends = [CHUNK, 2 * CHUNK].map(|end| [end - 1, end, end + 1]);
    for len in ends.into_iter().flatten().chain([1, 2, 3, 290]) {
        // Computed from the start: the prompts begin alike.
        session.truncate(0);
        let prompt = prompt(len);
        let tokens = greedy(&mut session, &prompt, 9);
        assert_eq!(tokens, continuation(&prompt, 9), "{len} tokens");
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

#[test]
fn what_the_session_holds_of_a_prompt_is_not_computed_again() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&steps);
    let mut session = watched_session(move |tokens| record.lock().unwrap().push(tokens.to_vec()));
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
        let mut session = watched_session(move |_| {
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
