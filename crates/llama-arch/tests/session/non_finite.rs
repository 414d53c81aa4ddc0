//! Logits that are no numbers fail the request they belong to, and no other.

use gguf::{GgufFile, TensorType, Writer};
use llama_arch::SamplingParams;
use llama_arch::backend::cpu::CpuBackend;
use llama_arch::backend::scripted::{ScriptedBackend, ScriptedRow};
use llama_arch::{Batch, Error, Execute, ExecutorOptions, LlamaModel, LoadOptions, Outputs};
use synth_model::{Arch, ModelSpec, WeightTypes};

use crate::{CONTEXT, VOCAB, continuation, greedy, ids, load, prompt, script};

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

/// A small model whose embedding of the poisoned token is one value in all channels.
fn poisoned_model(value: f32) -> GgufFile {
    let spec = ModelSpec::tiny(Arch::Llama).with_types(WeightTypes::uniform(TensorType::F32));
    let file = GgufFile::from_bytes(synth_model::to_bytes(&spec, 3).unwrap()).unwrap();
    let mut writer = Writer::new();
    for (key, value) in file.metadata().iter() {
        writer.metadata(key, value);
    }
    for tensor in file.tensors() {
        let mut bytes = tensor.bytes().to_vec();
        if tensor.name() == "token_embd.weight" {
            let row_bytes = 4 * spec.hidden;
            let row = &mut bytes[POISONED as usize * row_bytes..][..row_bytes];
            row.copy_from_slice(&value.to_le_bytes().repeat(spec.hidden));
        }
        writer.tensor(tensor.name(), tensor.dims(), tensor.tensor_type(), bytes);
    }
    GgufFile::from_bytes(writer.to_bytes().unwrap()).unwrap()
}

/// Logits of all rows of one sequence.
fn all_logits(executor: &mut dyn Execute, tokens: &[u32], blocks: &[u32]) -> Vec<Vec<f32>> {
    let mut batch = Batch::new();
    batch.push(tokens, 0, blocks, Outputs::All);
    let logits = executor.forward(&batch, None).unwrap();
    (0..tokens.len())
        .map(|row| logits.row(row).unwrap().to_vec())
        .collect()
}

#[test]
fn a_poisoned_sequence_changes_no_bit_of_its_neighbour_or_of_the_next_in_its_blocks() {
    let options = ExecutorOptions {
        max_outputs: 64,
        ..ExecutorOptions::batch(64, 2)
    };
    let (good, bad) = (prompt(41), [1, 2, POISONED, 3]);
    assert!(!good.contains(&POISONED));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e38] {
        let file = poisoned_model(value);
        for backend in CpuBackend::every_isa(2) {
            let model = LlamaModel::load_with(&file, backend, LoadOptions::default()).unwrap();
            let alone = all_logits(model.executor(&options).unwrap().as_mut(), &good, &[0, 1]);
            let mut executor = model.executor(&options).unwrap();
            for step in [0..40, 40..41] {
                let mut batch = Batch::new();
                batch.push(&bad, 0, &[2], Outputs::All);
                batch.push(&good[step.clone()], step.start, &[3, 0], Outputs::All);
                let logits = executor.forward(&batch, None).unwrap();
                for row in 0..logits.n_rows() {
                    match row.checked_sub(bad.len()) {
                        Some(row_of_good) => {
                            let expected = &alone[step.start + row_of_good];
                            assert_eq!(logits.row(row).unwrap(), expected, "{value}");
                        }
                        None if row < 2 => assert!(logits.row(row).is_ok(), "before the poison"),
                        // Finite, if only just: the sum of squares must not overflow.
                        None if value.is_finite() => assert!(logits.row(row).is_ok(), "{value}"),
                        None => {
                            let error = logits.row(row).unwrap_err();
                            let Error::NonFinite { position, .. } = error else {
                                panic!("{value}: {error}")
                            };
                            assert_eq!(position, row, "{value}");
                        }
                    }
                }
            }
            assert_eq!(
                all_logits(executor.as_mut(), &good, &[2, 1]),
                alone,
                "in its blocks"
            );
        }
    }
}
