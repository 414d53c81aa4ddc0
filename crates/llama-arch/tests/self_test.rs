//! The self-test passes where backends are right, and fails where one does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

#[path = "support/cuda.rs"]
mod support;

use std::sync::Arc;

use cuda_kernels::driver::ResultCode;
use cuda_kernels::driver::fake::FakeDriver;
use llama_arch::Error;
use llama_arch::backend::Backend;
use llama_arch::backend::cpu::{Activations, CpuBackend};
use llama_arch::backend::cuda::CudaBackend;
use llama_arch::self_test::{self, Finding};

fn findings<B: Backend>(device: &B) -> Vec<Finding> {
    let mut findings = Vec::new();
    let reference = CpuBackend::detect(1).with_activations(Activations::Exact);
    self_test::run(&reference, device, &mut |finding| findings.push(finding)).unwrap();
    findings
}

#[test]
fn backends_that_are_right_pass() {
    let mut all: Vec<Vec<Finding>> = CpuBackend::every_isa(2).iter().map(findings).collect();
    all.extend(support::cuda().as_ref().map(findings));
    for findings in all {
        // Three for each of thirteen types, and the operations.
        assert!(findings.len() > 3 * 13 + 10, "{}", findings.len());
        for finding in findings {
            assert!(finding.holds(), "{finding:?}");
        }
    }
}

#[test]
fn a_device_that_computes_nothing_fails_everywhere() {
    let device = CudaBackend::open_with(Arc::new(FakeDriver::new()), 0).unwrap();
    for finding in findings(&device) {
        // The first of many equal logits is the largest.
        let may_hold = finding.what.ends_with("choice");
        assert!(may_hold || !finding.holds(), "{finding:?}");
    }
}

#[test]
fn a_device_that_cannot_be_used_says_why_and_what_to_do() {
    let first_fails = |code| {
        let fake = FakeDriver::new();
        fake.fail_call(0, code);
        fake
    };
    let rows = [
        (
            first_fails(ResultCode::STUB_LIBRARY),
            0,
            ["stub", "library path", ""],
        ),
        (
            first_fails(ResultCode::NO_DEVICE),
            0,
            ["no device", "nvidia-smi", "CUDA_VISIBLE_DEVICES"],
        ),
        (
            FakeDriver::with_devices(0, (9, 0)),
            0,
            ["no device", "", ""],
        ),
        (
            FakeDriver::with_devices(1, (9, 0)),
            3,
            ["no CUDA device 3", "1", ""],
        ),
        (
            FakeDriver::with_devices(1, (7, 5)),
            0,
            ["7.5", "8.0", "fake device 0"],
        ),
    ];
    let reason = |fake, ordinal| match CudaBackend::open_with(Arc::new(fake), ordinal).err() {
        Some(Error::DeviceUnavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for (fake, ordinal, words) in rows {
        let reason = reason(fake, ordinal);
        assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    }
    // Some call loads a module: a driver that is too old for its PTX refuses it there.
    let opened = Arc::new(FakeDriver::new());
    CudaBackend::open_with(opened.clone(), 0).unwrap();
    let mut too_old = (0..opened.n_calls()).filter_map(|number| {
        let fake = FakeDriver::new();
        fake.fail_call(number, ResultCode::UNSUPPORTED_PTX_VERSION);
        CudaBackend::open_with(Arc::new(fake), 0).err()
    });
    let words = ["12.4", "12.0", "update the NVIDIA driver"];
    let says_so = |error: Error| words.iter().all(|word| error.to_string().contains(word));
    assert!(too_old.any(says_so));
}

#[test]
fn a_device_that_fails_is_an_error() {
    let fake = Arc::new(FakeDriver::new());
    let device = CudaBackend::open_with(fake.clone(), 0).unwrap();
    fake.fail_call(fake.n_calls() + 60, ResultCode::ILLEGAL_ADDRESS);
    let error = self_test::run(&CpuBackend::detect(1), &device, &mut |_| {});
    assert!(matches!(error, Err(Error::DeviceFailed { .. })));
}
