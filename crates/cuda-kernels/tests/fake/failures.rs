//! Every driver call fails once: the error arrives, and nothing is left behind.

use std::sync::Arc;

use cuda_kernels::driver::ResultCode;
use cuda_kernels::driver::fake::FakeDriver;
use cuda_kernels::{CudaError, Device, Kernels, Stopwatch};

use super::every_launch::every_launch;

/// Opening, loading, everything that runs, and giving it all back.
fn whole_life(fake: &Arc<FakeDriver>) -> Result<(), CudaError> {
    let device = Device::open_with(fake.clone(), 0)?;
    let kernels = Kernels::load(&device)?;
    let stopwatch = Stopwatch::new(&device)?;
    stopwatch.time_ms(|| every_launch(&device, &kernels).map(drop))?;
    let graph = device.capture(|| Ok::<(), CudaError>(()))?;
    // SAFETY: nothing was recorded, so there are no buffers to keep.
    unsafe { graph.launch() }?;
    let buffer = device.upload(&[1.0_f32, 2.0])?;
    buffer.read(2)?;
    device.memory()?;
    device.synchronize()
}

#[test]
fn every_call_fails_once() {
    let fake = Arc::new(FakeDriver::new());
    whole_life(&fake).unwrap();
    let n_calls = fake.n_calls();
    assert_eq!(fake.n_alive(), 0);
    for code in [
        ResultCode::INVALID_VALUE,
        ResultCode::ILLEGAL_ADDRESS,
        ResultCode(12345),
    ] {
        let mut n_silent = 0;
        for number in 0..n_calls {
            let fake = Arc::new(FakeDriver::new());
            fake.fail_call(number, code);
            match whole_life(&fake) {
                Err(error) => {
                    assert_eq!(error.code(), Some(code), "call {number}: {error}");
                    assert_eq!(error.is_sticky(), code.is_sticky());
                    assert!(!error.to_string().is_empty());
                }
                // Only what is called while things are given back can fail unheard.
                Ok(()) => n_silent += 1,
            }
            // A context that cannot be made current any more keeps what is in it.
            if !code.is_sticky() {
                assert!(fake.n_alive() <= 1, "call {number} left {}", fake.n_alive());
            }
        }
        assert!(
            n_silent < n_calls / 3,
            "{n_silent} of {n_calls} failures unheard"
        );
    }
}

#[test]
fn a_lost_context_stays_lost() {
    let fake = Arc::new(FakeDriver::new());
    let device = Device::open_with(fake.clone(), 0).unwrap();
    let kernels = Kernels::load(&device).unwrap();
    fake.fail_call(fake.n_calls() + 20, ResultCode::LAUNCH_FAILED);
    assert!(every_launch(&device, &kernels).is_err_and(|error| error.is_sticky()));
    let n_launches = fake.launches().len();
    assert!(every_launch(&device, &kernels).is_err_and(|error| error.is_sticky()));
    assert!(device.synchronize().is_err_and(|error| error.is_sticky()));
    assert_eq!(fake.launches().len(), n_launches);
}

#[test]
fn a_failed_launch_names_kernel_device_and_shape() {
    let fake = Arc::new(FakeDriver::new());
    let device = Device::open_with(fake.clone(), 0).unwrap();
    let kernels = Kernels::load(&device).unwrap();
    let mut errors = Vec::new();
    for number in 0..40 {
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
    let fake = Arc::new(FakeDriver::new());
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
