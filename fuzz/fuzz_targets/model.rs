//! Models whose hyperparameters and tensors disagree: configuration, plan, weights and a step.

#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::{Result, Unstructured};
use gguf::GgufFile;
use llama_arch::backend::cpu::CpuBackend;
use llama_arch::model::{Executor, Model};
use llama_arch::{Batch, ExecutorOptions, MemoryPlan, Outputs};
use worker_orcd_fuzz::file_bytes::{FileBytes, value};

static CPU: LazyLock<CpuBackend> = LazyLock::new(|| CpuBackend::detect(1));

const WIDTH: u64 = 8;
const HEADS: u32 = 2;
const FFN: u64 = 12;
const VOCAB: u64 = 5;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Bytes that do not suffice for all choices are no input.
    let _ = run(&mut Unstructured::new(bytes));
});

/// A number among the metadata, as its bits and the id of its type.
type Number = (String, u32, u32);
/// Name, dimensions, type id.
type Tensor = (String, Vec<u64>, u32);

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let arch = *u.choose(&["llama", "qwen2", "qwen3", "phi3"])?;
    let (mut numbers, mut tensors) = (numbers(arch), tensors(arch));
    let n_changes = u.int_in_range(0..=4_u8)?;
    for _ in 0..n_changes {
        change(u, arch, &mut numbers, &mut tensors)?;
    }
    let fill = *u.choose(&[0, 0x3c, 0x3f, 0x7f, 0xff])?;
    let bytes = file(arch, &numbers, &tensors, fill);
    let Ok(file) = GgufFile::from_bytes(bytes) else {
        return Ok(());
    };
    check_plan(&file);
    let loaded = Model::load(&file, CPU.clone(), &mut |_| {});
    match loaded {
        Ok(model) => step(model, u.arbitrary()?),
        Err(error) => assert!(n_changes > 0, "{arch} is refused: {error}"),
    }
    Ok(())
}

fn check_plan(file: &GgufFile) {
    for context in [1, 1 << 10, 1 << 24, usize::MAX] {
        let Ok(plan) = MemoryPlan::for_model(file, context) else {
            continue;
        };
        let total = plan.total_bytes();
        assert!(total >= file.data_bytes());
        assert!(plan.check(total).is_ok());
        assert!(plan.check(total - 1).is_err());
    }
}

/// Logits are finite, or the step fails.
fn step(model: Model<CpuBackend>, token: u32) {
    let vocab = model.config().vocab;
    let options = ExecutorOptions {
        max_rows: 2,
        ..ExecutorOptions::single(2)
    };
    // A context of one is too short for it.
    let Ok(mut executor) = Executor::new(Arc::new(model), &options) else {
        return;
    };
    let mut batch = Batch::new();
    batch.push(&[token % (VOCAB as u32 + 1), 0], 0, &[0], Outputs::Last);
    if let Ok(logits) = executor.forward(&batch, None)
        && let Ok(row) = logits.row(0)
    {
        assert_eq!(row.len(), vocab);
        assert!(row.iter().all(|logit| logit.is_finite()));
    }
}

fn numbers(arch: &str) -> Vec<Number> {
    let number = |name: &str, number| (format!("{arch}.{name}"), value::U32, number);
    vec![
        number("block_count", 1),
        number("context_length", 16),
        number("embedding_length", WIDTH as u32),
        number("feed_forward_length", FFN as u32),
        number("attention.head_count", HEADS),
        number("attention.head_count_kv", 1),
        (
            format!("{arch}.attention.layer_norm_rms_epsilon"),
            value::F32,
            1e-5_f32.to_bits(),
        ),
        (
            format!("{arch}.rope.freq_base"),
            value::F32,
            1e4_f32.to_bits(),
        ),
    ]
}

fn tensors(arch: &str) -> Vec<Tensor> {
    let head = WIDTH / u64::from(HEADS);
    let block = |name: &str, dims: &[u64]| (format!("blk.0.{name}"), dims.to_vec(), 0);
    let mut tensors = vec![
        ("token_embd.weight".to_owned(), vec![WIDTH, VOCAB], 0),
        ("output_norm.weight".to_owned(), vec![WIDTH], 0),
        block("attn_norm.weight", &[WIDTH]),
        block("ffn_norm.weight", &[WIDTH]),
        block("attn_output.weight", &[WIDTH, WIDTH]),
        block("ffn_down.weight", &[FFN, WIDTH]),
    ];
    if arch == "phi3" {
        tensors.push(block("attn_qkv.weight", &[WIDTH, WIDTH + 2 * head]));
        tensors.push(block("ffn_up.weight", &[WIDTH, 2 * FFN]));
        return tensors;
    }
    for (name, rows) in [("q", WIDTH), ("k", head), ("v", head)] {
        tensors.push(block(&format!("attn_{name}.weight"), &[WIDTH, rows]));
        if arch == "qwen2" {
            tensors.push(block(&format!("attn_{name}.bias"), &[rows]));
        }
    }
    if arch == "qwen3" {
        tensors.push(block("attn_q_norm.weight", &[head]));
        tensors.push(block("attn_k_norm.weight", &[head]));
    }
    tensors.push(block("ffn_gate.weight", &[WIDTH, FFN]));
    tensors.push(block("ffn_up.weight", &[WIDTH, FFN]));
    tensors
}

const MORE_KEYS: [&str; 12] = [
    "attention.key_length",
    "attention.value_length",
    "attention.sliding_window",
    "expert_count",
    "vocab_size",
    "rope.dimension_count",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.attn_factor",
    "rope.scaling.original_context_length",
    "tie_word_embeddings",
    "rope.freq_base",
];
const MORE_TENSORS: [&str; 9] = [
    "output.weight",
    "rope_freqs.weight",
    "rope_factors_long.weight",
    "rope_factors_short.weight",
    "blk.1.attn_norm.weight",
    "blk.0.attn_qkv.weight",
    "blk.0.attn_qkv.bias",
    "blk.0.ffn_gate_up.weight",
    "unknown",
];

fn change(
    u: &mut Unstructured<'_>,
    arch: &str,
    numbers: &mut Vec<Number>,
    tensors: &mut Vec<Tensor>,
) -> Result<()> {
    match u.int_in_range(0..=7_u8)? {
        0 => drop(numbers.remove(u.choose_index(numbers.len())?)),
        1 => drop(tensors.remove(u.choose_index(tensors.len())?)),
        2 | 3 => {
            let at = u.choose_index(numbers.len())?;
            numbers[at].2 = size(u)?;
        }
        4 => {
            let at = u.choose_index(numbers.len())?;
            numbers[at].1 = *u.choose(&[value::U32, value::I32, value::F32])?;
        }
        5 => {
            let key = format!("{arch}.{}", u.choose(&MORE_KEYS)?);
            numbers.retain(|number| number.0 != key);
            let type_id = *u.choose(&[value::U32, value::F32])?;
            numbers.push((key, type_id, size(u)?));
        }
        6 => {
            let at = u.choose_index(tensors.len())?;
            let dims = &mut tensors[at].1;
            let axis = u.choose_index(dims.len())?;
            dims[axis] = u.int_in_range(1..=33)?;
            tensors[at].2 = *u.choose(&[0, 1, 2, 8, 24, 30])?;
        }
        _ => {
            let name = *u.choose(&MORE_TENSORS)?;
            let rows = *u.choose(&[1, 2, VOCAB, WIDTH])?;
            tensors.retain(|tensor| tensor.0 != name);
            let dims = if u.arbitrary()? {
                vec![rows]
            } else {
                vec![WIDTH, rows]
            };
            tensors.push((name.to_owned(), dims, 0));
        }
    }
    // Something stays to be changed.
    if numbers.is_empty() || tensors.is_empty() {
        return Err(arbitrary::Error::IncorrectFormat);
    }
    Ok(())
}

fn size(u: &mut Unstructured<'_>) -> Result<u32> {
    const EDGES: [u32; 10] = [
        0,
        1 << 24,
        (1 << 24) + 1,
        1 << 31,
        u32::MAX,
        0x7f80_0000,
        0x7fc0_0000,
        0x3f80_0000,
        0xbf80_0000,
        0x0000_0001,
    ];
    Ok(if u.arbitrary()? {
        *u.choose(&EDGES)?
    } else {
        u.int_in_range(1..=33)?
    })
}

fn file(arch: &str, numbers: &[Number], tensors: &[Tensor], fill: u8) -> Vec<u8> {
    let mut file = FileBytes::new(3, tensors.len() as u64, 1 + numbers.len() as u64);
    file.str_pair("general.architecture", arch);
    for (key, type_id, number) in numbers {
        file.key(key, *type_id);
        file.u32(*number);
    }
    let mut offset = 0;
    for (name, dims, type_id) in tensors {
        file.tensor(name, dims, *type_id, offset);
        // Enough for the widest type.
        offset += (dims.iter().product::<u64>() * 4).next_multiple_of(32);
    }
    file.pad(32);
    file.bytes.resize(file.bytes.len() + offset as usize, fill);
    file.bytes
}
