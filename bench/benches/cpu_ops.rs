//! Each operation of the CPU backend in the shapes of Qwen2.5-0.5B: bytes read and written per
//! second where memory is the limit, operations (elements) per second where arithmetic is.
#![allow(clippy::unwrap_used, reason = "benches fail by panicking")]

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use gguf::TensorType;
use llama_arch::backend::cpu::{CpuBackend, CpuBuffer, CpuKvCache, CpuMatrix};
use llama_arch::backend::{AttentionShape, Backend, MatrixPart, MatrixSource, RowKind};
use llama_arch::batch::{Batch, Outputs};
use llama_arch::config::{RopeConfig, RopePairing, RopeScaling};
use llama_arch::kv_cache::{KvLayout, blocks_for};
use llama_arch::rope::RopeTable;

const HIDDEN: usize = 896;
const FFN: usize = 4864;
const VOCAB: usize = 4096;
/// Rows of a prefill chunk.
const CHUNK: usize = 128;
/// Positions that a decoded token attends to.
const DEPTH: usize = 1024;
const EPS: f32 = 1e-6;
const SHAPE: AttentionShape = AttentionShape {
    n_heads: 14,
    n_kv_heads: 2,
    head_dim: 64,
    rope_dims: 64,
    rope_pairing: RopePairing::Halves,
    window: None,
};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Values in -1 to 1 without a pattern.
fn values(n: usize) -> Vec<f32> {
    let value = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7 & 0xFFFF) as f32 / 32_768.0 - 1.0;
    (0..n).map(value).collect()
}

fn buffer(cpu: &CpuBackend, rows: usize, width: usize) -> CpuBuffer {
    let mut buffer = cpu.buffer(rows, width).unwrap();
    cpu.write(&mut buffer, &values(rows * width)).unwrap();
    buffer
}

/// A matrix and its bytes.
fn matrix(
    cpu: &CpuBackend,
    tensor_type: TensorType,
    n_rows: usize,
    row_len: usize,
) -> (CpuMatrix, usize) {
    let bytes = gguf::quantize(tensor_type, &values(row_len))
        .unwrap()
        .repeat(n_rows);
    let size = bytes.len();
    let part = MatrixPart {
        name: "weight".to_owned(),
        tensor_type,
        n_rows,
        bytes: bytes.into(),
    };
    let source = MatrixSource {
        row_len,
        parts: vec![part],
        rows: RowKind::Single,
    };
    (cpu.matrix(source).unwrap(), size)
}

/// Products with the weights of one layer's feed-forward network: a row reads memory, a chunk of
/// rows computes. K types have blocks of 256, which do not divide 896.
fn products(cpu: &CpuBackend, group: &mut Group<'_>) {
    for tensor_type in [
        TensorType::F16,
        TensorType::Q8_0,
        TensorType::Q4_0,
        TensorType::Q4K,
        TensorType::Q6K,
    ] {
        let (weight, bytes) = matrix(cpu, tensor_type, HIDDEN, FFN);
        for rows in [1, CHUNK] {
            let (x, mut out) = (buffer(cpu, rows, FFN), buffer(cpu, rows, HIDDEN));
            group.throughput(match rows {
                1 => Throughput::BytesDecimal(bytes as u64),
                _ => Throughput::Elements((2 * rows * FFN * HIDDEN) as u64),
            });
            group.bench_function(format!("matmul {tensor_type} x{rows}"), |b| {
                b.iter(|| cpu.matmul(&weight, None, &x, &mut out).unwrap());
            });
        }
        let (x, mut out) = (buffer(cpu, 1, FFN), buffer(cpu, 1, HIDDEN));
        group.throughput(Throughput::BytesDecimal(bytes as u64));
        group.bench_function(format!("matmul_add {tensor_type} x1"), |b| {
            b.iter(|| cpu.matmul_add(&weight, &x, &mut out).unwrap());
        });
    }
}

/// What is done to each value once: bytes of a chunk read and written.
fn row_by_row(cpu: &CpuBackend, group: &mut Group<'_>) {
    let bytes =
        |reads_and_writes: usize| Throughput::BytesDecimal((CHUNK * reads_and_writes * 4) as u64);
    let (x, mut out) = (buffer(cpu, CHUNK, HIDDEN), buffer(cpu, CHUNK, HIDDEN));
    let weight = cpu.vector(&values(HIDDEN)).unwrap();
    group.throughput(bytes(2 * HIDDEN));
    group.bench_function("rms_norm", |b| {
        b.iter(|| cpu.rms_norm(&x, &weight, EPS, &mut out).unwrap());
    });
    let rows: Vec<usize> = (0..CHUNK).rev().collect();
    group.bench_function("gather", |b| {
        b.iter(|| cpu.gather(&x, &rows, &mut out).unwrap());
    });
    let (table, table_bytes) = matrix(cpu, TensorType::Q8_0, VOCAB, HIDDEN);
    let tokens: Vec<u32> = (0..CHUNK as u32).map(|i| i * 31).collect();
    group.throughput(Throughput::BytesDecimal(
        (CHUNK * (table_bytes / VOCAB + HIDDEN * 4)) as u64,
    ));
    group.bench_function("embed Q8_0", |b| {
        b.iter(|| cpu.embed(&table, &tokens, &mut out).unwrap());
    });
    let (gate_up, mut out) = (buffer(cpu, CHUNK, 2 * FFN), buffer(cpu, CHUNK, FFN));
    group.throughput(bytes(3 * FFN));
    group.bench_function("swiglu", |b| {
        b.iter(|| cpu.swiglu(&gate_up, &mut out).unwrap());
    });
    let mut qkv = buffer(cpu, CHUNK, SHAPE.qkv_width());
    let weights = (values(SHAPE.head_dim), values(SHAPE.head_dim));
    let weights = (
        cpu.vector(&weights.0).unwrap(),
        cpu.vector(&weights.1).unwrap(),
    );
    group.throughput(bytes(2 * (SHAPE.q_width() + SHAPE.kv_width())));
    group.bench_function("head_norm", |b| {
        b.iter(|| {
            cpu.head_norm(&mut qkv, (&weights.0, &weights.1), EPS, &SHAPE)
                .unwrap();
        });
    });
}

/// A sequence's rows from `start` on.
fn batch(start: usize, rows: usize) -> Batch {
    let blocks: Vec<u32> = (0..blocks_for(start + rows) as u32).collect();
    let mut batch = Batch::new();
    batch.push(&vec![0; rows], start, &blocks, Outputs::None);
    batch
}

/// RoPE with the cache it fills, and attention over it: a row reads the cache, a chunk computes.
fn attention(cpu: &CpuBackend, group: &mut Group<'_>) {
    let rope = RopeConfig {
        theta: 1e6,
        dims: SHAPE.rope_dims,
        pairing: SHAPE.rope_pairing,
        scaling: RopeScaling::None,
    };
    let rope = RopeTable::new(&rope, &Default::default(), DEPTH + CHUNK);
    let rope = cpu.rope(rope).unwrap();
    let layout = KvLayout {
        n_layers: 1,
        n_kv_heads: SHAPE.n_kv_heads,
        head_dim: SHAPE.head_dim,
        n_blocks: blocks_for(DEPTH + CHUNK),
    };
    let mut cache: CpuKvCache = cpu.kv_cache(&layout).unwrap();
    let mut qkv = buffer(cpu, CHUNK, SHAPE.qkv_width());
    let width = SHAPE.qkv_width() + SHAPE.q_width() + SHAPE.kv_width();
    group.throughput(Throughput::BytesDecimal((CHUNK * width * 4) as u64));
    for start in (0..DEPTH).step_by(CHUNK) {
        let step = batch(start, CHUNK);
        cpu.rope_append(&mut qkv, &rope, &mut cache, 0, (&step, &SHAPE))
            .unwrap();
    }
    let step = batch(DEPTH, CHUNK);
    group.bench_function("rope_append", |b| {
        b.iter(|| {
            cpu.rope_append(&mut qkv, &rope, &mut cache, 0, (&step, &SHAPE))
                .unwrap();
        });
    });
    for (rows, throughput) in [
        (
            1,
            Throughput::BytesDecimal((DEPTH * SHAPE.kv_width() * 2 * 2) as u64),
        ),
        // A query and a key, a weight and a value: two operations a channel each.
        (
            CHUNK,
            Throughput::Elements((CHUNK * (DEPTH + CHUNK / 2) * SHAPE.q_width() * 4) as u64),
        ),
    ] {
        let (qkv, mut out) = (
            buffer(cpu, rows, SHAPE.qkv_width()),
            buffer(cpu, rows, SHAPE.q_width()),
        );
        let step = batch(DEPTH, rows);
        group.throughput(throughput);
        group.bench_function(format!("attention at {DEPTH} x{rows}"), |b| {
            b.iter(|| {
                cpu.attention(&qkv, &cache, 0, (&step, &SHAPE), &mut out)
                    .unwrap();
            });
        });
    }
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = CpuBackend::detect(threads);
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
        .configure_from_args();
    let mut group = criterion.benchmark_group("cpu");
    products(&cpu, &mut group);
    row_by_row(&cpu, &mut group);
    attention(&cpu, &mut group);
    group.finish();
    criterion.final_summary();
}
