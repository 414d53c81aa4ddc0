//! Every kernel on a device, against a formula in f64 written for this test.
//!
//! Without a device each test says so and passes; with `REQUIRE_CUDA=1` it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod add_in_place;
mod argmax;
mod attention_decode;
mod attention_prefill;
mod blocks;
mod count_non_finite;
mod embed;
mod gather;
mod gemm;
mod graph;
mod head_norm;
mod matmul;
mod matvec;
mod pack_rows;
mod read_bandwidth;
mod repack;
mod rms_norm;
mod rope_append;
mod sample;
mod support;
mod swiglu;
mod transfers;
