//! Every driver call fails once: the error arrives, and nothing is left behind.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cuda_kernels::driver::ResultCode;
use cuda_kernels::driver::fake::FakeDriver;
use cuda_kernels::{CudaError, Device, Kernels, MemoryClass, ReadBack, Stopwatch, Uploader, View};

use super::every_launch::every_launch;
use super::fake_device;

/// Opening, loading, everything that runs, and giving it all back.
fn whole_life(fake: &Arc<FakeDriver>) -> Result<(), CudaError> {
    life_of(&Device::open_with(fake.clone(), 0)?)
}

fn life_of(device: &Device) -> Result<(), CudaError> {
    let kernels = Kernels::load(device)?;
    let stopwatch = Stopwatch::new(device)?;
    stopwatch.time_ms(|| every_launch(device, &kernels).map(drop))?;
    let graph = device.capture(|| Ok::<(), CudaError>(()))?;
    // SAFETY: nothing was recorded, so there are no buffers to keep.
    unsafe { graph.launch() }?;
    let buffer = device.upload(&[1.0_f32, 2.0])?;
    buffer.read(2)?;
    transfers(device)?;
    device.memory()?;
    device.synchronize()
}

/// Memory in parts, bytes there and results back.
fn transfers(device: &Device) -> Result<(), CudaError> {
    let mut arena = device.arena(512)?;
    let mut weights = arena.zeroed::<u8>(300, MemoryClass::Weights)?;
    let mut back = ReadBack::new(device, 2, 300)?;
    let mut upload = Uploader::with_chunks(device, 64)?;
    upload.copy(&[7; 300], weights.view_mut())?;
    upload.stage(&[5; 130], 16, |_, staged| back_and_forth(&mut back, staged))?;
    upload.finish()?;
    back.enqueue(weights.view())?;
    assert_eq!(back.wait()?, [7; 300]);
    Ok(())
}

fn back_and_forth(back: &mut ReadBack<u8>, staged: View<'_, u8>) -> Result<(), CudaError> {
    back.enqueue(staged)?;
    assert!(back.wait()?.iter().all(|&byte| byte == 5));
    Ok(())
}

#[test]
fn every_call_fails_once() {
    for (version, code) in [
        (12_040, ResultCode::INVALID_VALUE),
        (12_040, ResultCode::ILLEGAL_ADDRESS),
        (13_000, ResultCode::ILLEGAL_ADDRESS),
        (13_000, ResultCode(12345)),
    ] {
        let fake = fake_of_cuda(version);
        whole_life(&fake).unwrap();
        let n_calls = fake.n_calls();
        assert_eq!(fake.n_alive(), 0);
        let failing = (0..n_calls).filter(|&number| fails_cleanly(version, number, code));
        let n_heard = failing.count();
        // Unheard: what is called while things are given back, and a cubin that is refused.
        assert!(n_heard > n_calls / 3, "{n_heard} of {n_calls} heard");
    }
}

/// Makes one call fail; whether anybody heard of it.
fn fails_cleanly(version: i32, number: usize, code: ResultCode) -> bool {
    let fake = fake_of_cuda(version);
    fake.fail_call(number, code);
    let outcome = whole_life(&fake);
    assert_eq!(fake.n_alive(), 0, "call {number}, {code}: {outcome:?}");
    let Err(error) = outcome else { return false };
    // A device lost while something was given back is said to be lost by the next call.
    let is_told_later = matches!(error, CudaError::Poisoned { .. });
    assert!(
        is_told_later || error.code() == Some(code),
        "{number}: {error}"
    );
    assert_eq!(error.is_poisoned(), code.is_sticky());
    assert!(error.to_string().contains(&code.to_string()), "{error}");
    true
}

/// A fake driver with one device. Every one knows the modules that another has read.
fn fresh() -> Arc<FakeDriver> {
    static FIRST: OnceLock<FakeDriver> = OnceLock::new();
    Arc::new(FIRST.get_or_init(FakeDriver::new).another())
}

fn fake_of_cuda(version: i32) -> Arc<FakeDriver> {
    let fake = fresh();
    fake.set_version(version);
    fake
}

#[test]
fn a_hanging_device_is_waited_for_no_longer_than_asked() {
    let fake = fresh();
    impatient_life(&fake).unwrap();
    let n_calls = fake.n_calls();
    let mut n_hung = 0;
    for number in 0..n_calls {
        let fake = fresh();
        fake.hang_device(number);
        if let Err(error) = impatient_life(&fake) {
            assert!(error.is_poisoned(), "call {number}: {error}");
            assert!(
                error.to_string().contains("hangs"),
                "call {number}: {error}"
            );
            n_hung += 1;
        }
        assert_eq!(fake.n_blocked(), 0, "call {number} waits for ever");
    }
    assert!(n_hung > n_calls / 3, "{n_hung} of {n_calls}");
}

/// [`whole_life`] for who does not wait.
fn impatient_life(fake: &Arc<FakeDriver>) -> Result<(), CudaError> {
    let device = Device::open_with(fake.clone(), 0)?;
    device.set_patience(Duration::ZERO);
    life_of(&device)
}

#[test]
fn after_a_hang_nothing_is_asked_any_more() {
    let (fake, device) = fake_device();
    device.set_patience(Duration::ZERO);
    fake.hang_device(fake.n_calls());
    let buffer = device.upload(&[1.0_f32]).unwrap();
    let error = buffer.read(1).unwrap_err();
    assert!(matches!(error, CudaError::Hung { .. }), "{error}");
    let n_calls = fake.n_calls();
    let again = buffer.read(1).unwrap_err();
    let CudaError::Poisoned {
        device: name,
        cause,
    } = &again
    else {
        panic!("{again}")
    };
    assert_eq!(
        (name.as_str(), cause),
        ("fake device 0", &error.to_string())
    );
    drop((buffer, device));
    assert_eq!(fake.n_calls(), n_calls);
}

#[test]
fn a_lost_context_stays_lost() {
    let fake = fresh();
    let device = Device::open_with(fake.clone(), 0).unwrap();
    let kernels = Kernels::load(&device).unwrap();
    fake.fail_call(fake.n_calls() + 20, ResultCode::LAUNCH_FAILED);
    assert!(every_launch(&device, &kernels).is_err_and(|error| error.is_poisoned()));
    let n_launches = fake.launches().len();
    assert!(every_launch(&device, &kernels).is_err_and(|error| error.is_poisoned()));
    assert!(device.synchronize().is_err_and(|error| error.is_poisoned()));
    assert_eq!(fake.launches().len(), n_launches);
}

#[test]
fn a_failed_launch_names_kernel_device_and_shape() {
    let fake = fresh();
    let device = Device::open_with(fake.clone(), 0).unwrap();
    let kernels = Kernels::load(&device).unwrap();
    let mut errors = Vec::new();
    for number in 0..100 {
        fake.fail_call(fake.n_calls() + number, ResultCode::LAUNCH_OUT_OF_RESOURCES);
        errors.extend(every_launch(&device, &kernels).err());
    }
    let launch = errors
        .iter()
        .find(|error| matches!(error, CudaError::Launch { .. }));
    let launch = launch.unwrap().to_string();
    for word in [
        "embed_f32",
        "fake device 0",
        "3 x 1 x 1 blocks of 128",
        "(701)",
    ] {
        assert!(launch.contains(word), "{launch}");
    }
}

#[test]
fn a_hanging_call_holds_up_its_thread_alone() {
    let fake = fresh();
    let device = Device::open_with(fake.clone(), 0).unwrap();
    // The first call makes the context current, the second waits for the stream.
    let hanging = fake.n_calls() + 1;
    fake.hang_call(hanging);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| device.synchronize());
        while fake.n_calls() <= hanging {
            std::thread::yield_now();
        }
        device.memory().unwrap();
        assert!(!waiting.is_finished());
        fake.release();
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
}
