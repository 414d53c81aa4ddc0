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
mod embed;
mod gather;
mod harness;
mod head_norm;
mod matmul;
mod naive;
mod rms_norm;
mod rope_append;
mod swiglu;
mod weights;

use llama_arch::backend::cpu::CpuBackend;

use crate::harness::Report;

/// Backends of one inner list must agree bit for bit: the same instruction set, one and several
/// threads.
fn cpu() -> Vec<Vec<CpuBackend>> {
    let (one, three) = (CpuBackend::every_isa(1), CpuBackend::every_isa(3));
    one.into_iter()
        .zip(three)
        .map(|(one, three)| vec![one, three])
        .collect()
}

/// A test for each operation that runs its cases on every backend there is: a device joins with
/// one more line.
macro_rules! ops {
    ($($op:ident),* $(,)?) => {
        $(
            #[test]
            fn $op() {
                let mut report = Report::new(stringify!($op));
                $op::check(&cpu(), &mut report);
                report.finish();
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
