//! Every operation of every backend against a plain f64 oracle, over a grid of sizes, weight
//! types and hostile data.
//!
//! One file per operation holds its cases, generic over [`Backend`]; `naive` is the oracle,
//! `harness` runs a case and judges it, `cases` and `weights` make the data.
//!
//! [`Backend`]: llama_arch::backend::Backend
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod attention;
mod cases;
#[path = "../support/cuda.rs"]
mod device;
mod embed;
mod gather;
mod harness;
mod head_norm;
mod matmul;
mod naive;
mod rms_norm;
mod rope_append;
mod rounded;
mod swiglu;
mod weights;

use llama_arch::backend::Backend;
use llama_arch::backend::cpu::{Activations, CpuBackend};
use llama_arch::backend::cuda::CudaBackend;

use crate::harness::{Device, Report};

/// Backends of one inner list must agree bit for bit: the same instruction set, one and several
/// threads.
fn cpu(activations: Activations) -> Vec<Vec<CpuBackend>> {
    let (one, three) = (CpuBackend::every_isa(1), CpuBackend::every_isa(3));
    one.into_iter()
        .zip(three)
        .map(|(one, three)| [one, three].map(|cpu| cpu.with_activations(activations)))
        .map(Vec::from)
        .collect()
}

/// The GPU, if there is one.
fn cuda() -> Vec<Vec<CudaBackend>> {
    device::cuda().into_iter().map(|gpu| vec![gpu]).collect()
}

/// Rounds of new data on a GPU: there is one backend and not six, and it is faster.
const CUDA_ROUNDS: usize = 9;

/// Runs an operation's cases, if there is a backend to run them, over rounds of new data.
fn check<B: Backend>(
    op: &'static str,
    (device, rounds): (Device, usize),
    backends: &[Vec<B>],
    cases: fn(&[Vec<B>], &mut Report),
) {
    if !backends.is_empty() {
        let mut report = Report::new(op, device);
        for _ in 0..rounds {
            cases(backends, &mut report);
            report.next_round();
        }
        report.finish();
    }
}

/// A test for each operation that runs its cases on every backend there is: a device joins with
/// one more line.
macro_rules! ops {
    ($($op:ident),* $(,)?) => {
        $(
            #[test]
            fn $op() {
                check(stringify!($op), (Device::Cpu, 1), &cpu(Activations::Exact), $op::check);
                check(stringify!($op), (Device::Cuda, CUDA_ROUNDS), &cuda(), $op::check);
            }
        )*
    };
}

ops!(
    attention,
    embed,
    gather,
    head_norm,
    matmul,
    rms_norm,
    rope_append,
    swiglu,
);

#[test]
fn matmul_of_rounded_activations() {
    let backends = cpu(Activations::Integer);
    check("matmul", (Device::CpuRounded, 1), &backends, matmul::check);
}
