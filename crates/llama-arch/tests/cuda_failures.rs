//! Any call to a GPU's driver may fail, and a GPU may hang: sessions say so, and nothing is left
//! behind. The driver here is a fake one that computes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cuda_kernels::Device;
use cuda_kernels::driver::ResultCode;
use cuda_kernels::driver::fake::FakeDriver;
use gguf::{GgufFile, TensorType};
use llama_arch::backend::cuda::CudaBackend;
use llama_arch::{Error, ExecutorOptions, LlamaModel, LoadOptions, SamplingParams, Session};
use synth_model::{Arch, ModelSpec, WeightTypes};

fn file() -> &'static GgufFile {
    static FILE: OnceLock<GgufFile> = OnceLock::new();
    FILE.get_or_init(|| {
        let spec = ModelSpec::tiny(Arch::Qwen2);
        GgufFile::from_bytes(synth_model::to_bytes(&spec, 1).unwrap()).unwrap()
    })
}

/// A fake driver with one device. Every one knows the modules that another has read.
fn fresh() -> Arc<FakeDriver> {
    static FIRST: OnceLock<FakeDriver> = OnceLock::new();
    Arc::new(FIRST.get_or_init(FakeDriver::new).another())
}

const PROMPT: [u32; 3] = [1, 2, 3];
const TOKENS: usize = 3;

/// A session on the fake GPU, which waits for nothing.
fn open(fake: &Arc<FakeDriver>) -> Result<Session, Error> {
    let backend = CudaBackend::open_with(fake.clone(), 0)?;
    backend.device().set_patience(Duration::ZERO);
    LlamaModel::load_with(file(), backend, LoadOptions::default())?.session(32)
}

fn generate(session: &mut Session) -> Result<(), Error> {
    let generation = session.generate(&PROMPT, &SamplingParams::default())?;
    generation
        .take(TOKENS)
        .try_for_each(|token| token.map(drop))
}

/// Calls of a whole life, and of one until the first token.
fn n_calls() -> usize {
    let fake = fresh();
    let mut session = open(&fake).unwrap();
    let n_open = fake.n_calls();
    generate(&mut session).unwrap();
    drop(session);
    assert_eq!(fake.n_alive(), 0);
    assert!(n_open > 100 && fake.n_calls() > n_open + 50);
    fake.n_calls()
}

fn n_calls_to_open() -> usize {
    let fake = fresh();
    let _device = Device::open_with(fake.clone(), 0).unwrap();
    fake.n_calls()
}

/// Something refused, once.
#[test]
fn any_call_may_fail_once() {
    for number in 0..n_calls() {
        let fake = fresh();
        fake.fail_call(number, ResultCode::INVALID_VALUE);
        let outcome = open(&fake).and_then(|mut session| {
            generate(&mut session).inspect_err(|_| {
                // The device is as good as before.
                generate(&mut session).unwrap();
            })
        });
        if let Err(error) = outcome {
            let (Error::DeviceUnavailable { reason, .. } | Error::DeviceFailed { reason, .. }) =
                &error
            else {
                panic!("call {number}: {error}")
            };
            assert!(reason.contains("INVALID_VALUE"), "call {number}: {error}");
        }
        assert_eq!(fake.n_alive(), 0, "call {number}");
    }
}

/// An error that takes the whole context with it.
#[test]
fn a_device_may_be_lost_at_any_call() {
    let mut n_heard = 0;
    let (n_calls, n_open) = (n_calls(), n_calls_to_open());
    for number in 0..n_calls {
        let fake = fresh();
        fake.fail_call(number, ResultCode::ILLEGAL_ADDRESS);
        let outcome = open(&fake).and_then(|mut session| {
            generate(&mut session).inspect_err(|first| {
                let again = generate(&mut session).unwrap_err();
                assert!(matches!(again, Error::DeviceFailed { .. }), "{again}");
                assert!(
                    again.to_string().contains("ILLEGAL_ADDRESS"),
                    "{first}, {again}"
                );
            })
        });
        if let Err(error) = outcome {
            n_heard += 1;
            // Before there is a device, it cannot be lost.
            let is_early = matches!(error, Error::DeviceUnavailable { .. }) && number < n_open;
            let is_told = is_early || matches!(error, Error::DeviceFailed { .. });
            assert!(is_told, "call {number}: {error}");
        }
        assert_eq!(fake.n_alive(), 0, "call {number}");
    }
    assert!(n_heard > n_calls / 2, "{n_heard} of {n_calls}");
}

/// A kernel that never ends.
#[test]
fn a_device_may_hang_from_any_call_on() {
    let mut n_hung = 0;
    let n_calls = n_calls();
    for number in 0..n_calls {
        let fake = fresh();
        fake.hang_device(number);
        if let Err(error) = open(&fake).and_then(|mut session| generate(&mut session)) {
            n_hung += 1;
            let is_told = matches!(&error, Error::DeviceFailed { reason, .. }
                if reason.contains("hangs"));
            assert!(is_told, "call {number}: {error}");
        }
        assert_eq!(fake.n_blocked(), 0, "call {number} waits for ever");
    }
    assert!(n_hung > n_calls / 2, "{n_hung} of {n_calls}");
}

/// Kernels that the driver does not take: `auto` may choose another device, so this is no failure.
#[test]
fn refused_kernels_make_the_device_unavailable() {
    // Those after opening load the first kernels.
    for number in 0..2 * n_calls_to_open() {
        let fake = fresh();
        fake.fail_call(number, ResultCode::UNSUPPORTED_PTX_VERSION);
        let Err(error) = open(&fake) else { continue };
        assert!(
            matches!(error, Error::DeviceUnavailable { .. }),
            "call {number}: {error}"
        );
    }
}

/// Memory is planned, and taken before the first step.
#[test]
fn steps_take_no_memory() {
    let backend = CudaBackend::open_with(fresh(), 0).unwrap();
    let device = backend.device().clone();
    let model = LlamaModel::load_with(file(), backend, LoadOptions::default()).unwrap();
    let mut session = model.session(32).unwrap();
    let n_allocations = device.n_allocations();
    assert!(n_allocations > 0);
    for _ in 0..2 {
        generate(&mut session).unwrap();
        assert_eq!(device.n_allocations(), n_allocations);
    }
}

/// What is planned is what is taken.
#[test]
fn memory_is_as_planned() {
    let of_type = |types| {
        let spec = ModelSpec::tiny(Arch::Qwen2).with_types(types);
        GgufFile::from_bytes(synth_model::to_bytes(&spec, 1).unwrap()).unwrap()
    };
    let types = [TensorType::F16, TensorType::Q8_0, TensorType::F32];
    for types in types.map(WeightTypes::uniform) {
        let backend = CudaBackend::open_with(fresh(), 0).unwrap();
        let device = backend.device().clone();
        let used = || {
            let memory = device.memory().unwrap();
            memory.total_bytes - memory.free_bytes
        };
        let before = used();
        let file = of_type(types);
        let model = LlamaModel::load_with(&file, backend, LoadOptions::default()).unwrap();
        for max_sequences in [1, 40] {
            let options = ExecutorOptions::batch(64, max_sequences);
            let plan = model.memory_plan(&options).unwrap();
            let _executor = model.executor(&options).unwrap();
            let taken = used() - before;
            // Tables of a step are not worth a plan.
            let slack = plan.total_bytes() / 100;
            assert!(
                taken.abs_diff(plan.total_bytes()) <= slack,
                "{taken} bytes, {plan:?}"
            );
        }
    }
}
