//! The logits kept for the cases belong to the models that this crate makes today.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../../llama-arch/tests/oracle/reader.rs"]
mod reader;

use reader::Oracle;
use synth_model::{cases, fnv1a, to_bytes};

#[test]
fn every_case_has_logits_of_its_very_bytes() {
    for case in cases() {
        let oracle = Oracle::load(case.name).unwrap();
        let hash = fnv1a(&to_bytes(&case.spec, case.seed).unwrap());
        assert_eq!(
            hash, oracle.model_hash,
            "{}: run the oracle's script again",
            case.name
        );
        assert_eq!(oracle.vocab, case.spec.vocab);
        assert_eq!((oracle.prompt.len(), oracle.greedy.len()), (24, 64));
        assert!(
            oracle
                .prompt
                .iter()
                .chain(&oracle.greedy)
                .all(|&id| (id as usize) < oracle.vocab)
        );
        // The kept rows belong to the greedy ids where both are there.
        for (index, &position) in oracle.positions.iter().enumerate() {
            if let Some(step) = (position + 1).checked_sub(oracle.prompt.len()) {
                let row = oracle.row(index);
                let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
                assert_eq!(best, Some(oracle.greedy[step] as usize), "{}", case.name);
            }
        }
    }
}

#[test]
fn greedy_steps_are_no_near_ties_and_say_something() {
    for case in cases() {
        let oracle = Oracle::load(case.name).unwrap();
        assert!(
            oracle.min_gap >= 0.01,
            "{}: gap {}",
            case.name,
            oracle.min_gap
        );
        let mut ids = oracle.greedy.clone();
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() >= 16, "{}: {} distinct ids", case.name, ids.len());
    }
}
