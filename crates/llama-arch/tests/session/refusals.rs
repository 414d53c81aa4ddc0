//! What a session refuses, and that it goes on after.

use llama_arch::{Error, SamplingParams};

use crate::{CHUNK, CONTEXT, MODEL_CONTEXT, VOCAB, assert_usable, load, prompt, scripted, session};

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
