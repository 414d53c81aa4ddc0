//! Devices that are not there, or not good enough.

use std::sync::Arc;

use cuda_kernels::driver::fake::FakeDriver;
use cuda_kernels::driver::{Driver, ResultCode};
use cuda_kernels::{Buffer, CudaError, Device, Kernels, probe, probe_with};

use super::{fake_device, fake_device_of_cuda};

fn error(fake: FakeDriver, ordinal: usize) -> CudaError {
    let fake = Arc::new(fake);
    let error = Device::open_with(fake.clone(), ordinal).err().unwrap();
    assert_eq!(fake.n_alive(), 0, "{error}");
    error
}

fn failing(number: usize, code: ResultCode) -> FakeDriver {
    let fake = FakeDriver::new();
    fake.fail_call(number, code);
    fake
}

#[test]
fn this_machine_is_probed_without_a_panic() {
    match probe() {
        Ok(devices) => assert!(!devices.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert!(Device::open(4096).is_err());
}

#[test]
fn devices_are_described() {
    let fake: Arc<dyn Driver> = Arc::new(FakeDriver::with_devices(3, (7, 5)));
    let devices = probe_with(&fake).unwrap();
    let ordinals: Vec<usize> = devices.iter().map(|device| device.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2]);
    let device = &devices[1];
    assert_eq!(device.name, "fake device 1");
    assert_eq!(device.compute_capability, (7, 5));
    assert_eq!(device.driver_cuda, (12, 4));
    assert_eq!(device.n_multiprocessors, 132);
    assert_eq!(device.memory.total_bytes, 1 << 30);
}

#[test]
fn every_reason_has_its_error() {
    let stub = failing(0, ResultCode::STUB_LIBRARY);
    assert_eq!(error(stub, 0), CudaError::StubDriver);
    let hidden = failing(0, ResultCode::NO_DEVICE);
    assert_eq!(error(hidden, 0), CudaError::NoDevice);
    let none = FakeDriver::with_devices(0, (0, 0));
    assert_eq!(error(none, 0), CudaError::NoDevice);
    let n_devices = 2;
    let two = FakeDriver::with_devices(n_devices, (9, 0));
    let ordinal = 2;
    assert_eq!(
        error(two, ordinal),
        CudaError::WrongOrdinal { ordinal, n_devices }
    );
    let old = error(FakeDriver::with_devices(1, (7, 5)), 0);
    assert!(matches!(
        old,
        CudaError::TooOld {
            major: 7,
            minor: 5,
            ..
        }
    ));
    let mismatch = error(failing(0, ResultCode::SYSTEM_DRIVER_MISMATCH), 0);
    assert_eq!(mismatch.code(), Some(ResultCode::SYSTEM_DRIVER_MISMATCH));
}

#[test]
fn refused_modules_say_what_to_do() {
    // Opening makes calls of its own; loading the first module makes one for the context first.
    for (code, words) in [
        (
            ResultCode::UNSUPPORTED_PTX_VERSION,
            ["12.4", "12.0", "update"],
        ),
        (
            ResultCode::INVALID_PTX,
            ["INVALID_PTX", "a fake log", "matvec"],
        ),
    ] {
        let (fake, device) = fake_device();
        fake.fail_call(fake.n_calls() + 1, code);
        let error = Kernels::load(&device).err().unwrap().to_string();
        for word in words {
            assert!(error.contains(word), "{error}");
        }
    }
}

#[test]
fn ptx_stands_in_for_a_refused_cubin() {
    // Kernels of another make are no error; a device that is lost is one.
    for (code, is_loaded) in [
        (ResultCode::NO_BINARY_FOR_GPU, true),
        (ResultCode::INVALID_IMAGE, true),
        (ResultCode::LAUNCH_FAILED, false),
    ] {
        let (fake, device) = fake_device_of_cuda(13_000);
        fake.fail_call(fake.n_calls() + 1, code);
        assert_eq!(Kernels::load(&device).is_ok(), is_loaded, "{code}");
    }
}

#[test]
fn too_little_memory_is_said_in_numbers() {
    let (fake, device) = fake_device();
    fake.set_memory(1000);
    let held = device.zeroed::<u8>(400).unwrap();
    let error = device.zeroed::<f32>(200).err().unwrap();
    let expected = CudaError::OutOfMemory {
        device: "fake device 0".to_owned(),
        needed: 800,
        free: 600,
    };
    assert_eq!(error, expected);
    drop(held);
    assert!(device.zeroed::<f32>(200).is_ok());
    assert!(device.zeroed::<f32>(usize::MAX).is_err());
}

#[test]
fn buffers_keep_what_they_are_given() {
    let (_, device) = fake_device();
    let mut buffer = device.upload(&[1_u32, 2, 3, 4, 5]).unwrap();
    buffer.write(1, &[20, 30]).unwrap();
    assert_eq!(buffer.read(5).unwrap(), [1, 20, 30, 4, 5]);
    let mut part = [0; 2];
    buffer.read_into(2, &mut part).unwrap();
    assert_eq!(part, [30, 4]);
    assert!(buffer.write(4, &[0, 0]).is_err());
    assert!(buffer.write(usize::MAX, &[0]).is_err());
    assert!(buffer.read(6).is_err());
    assert!(buffer.view().range(4..6).is_err());
    assert_eq!(device.zeroed::<f32>(3).unwrap().read(3).unwrap(), [0.0; 3]);
}

#[test]
fn everything_may_move_between_threads() {
    fn may_move<T: Send + Sync>() {}
    may_move::<Device>();
    may_move::<Kernels>();
    may_move::<Buffer<f32>>();
}
