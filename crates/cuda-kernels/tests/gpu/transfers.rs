//! Bytes there and results back, ordered with what is launched.

use cuda_kernels::launch::AddInPlace;
use cuda_kernels::{CudaError, MemoryClass, ReadBack, Uploader};

use crate::support::{Random, kernels};

#[test]
fn uploads_are_seen_by_what_is_launched_later() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(1);
    let from: Vec<u8> = (0..(30 << 20) + 77).map(|_| random.next() as u8).collect();
    let mut to = device.zeroed::<u8>(from.len()).unwrap();
    let mut upload = Uploader::new(device, 0).unwrap();
    upload.copy(&from, to.view_mut()).unwrap();
    let mut back = ReadBack::new(device, 2, from.len()).unwrap();
    back.enqueue(to.view()).unwrap();
    // Other bytes to the same place: not before the copy back is done.
    let other = vec![1; from.len()];
    upload.copy(&other, to.view_mut()).unwrap();
    back.enqueue(to.view()).unwrap();
    assert!(back.wait().unwrap() == from);
    assert!(back.wait().unwrap() == other);

    let mut first_bytes = Vec::new();
    let staged = upload.stage(&from, 4096, |first, chunk| {
        back.enqueue(chunk)?;
        first_bytes.push((first, back.wait()?[0]));
        Ok::<(), CudaError>(())
    });
    staged.unwrap();
    assert_eq!(first_bytes.len(), 4);
    for (first, byte) in first_bytes {
        assert_eq!(byte, from[first], "{first}");
    }
    upload.finish().unwrap();
}

#[test]
fn results_of_a_step_are_read_after_the_next_was_launched() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut arena = device.arena(1 << 20).unwrap();
    let mut x = arena.zeroed::<f32>(1000, MemoryClass::Activations).unwrap();
    let one = device.upload(&[1.0_f32; 1000]).unwrap();
    let mut back = ReadBack::new(device, 2, 1).unwrap();
    let before = device.n_allocations();
    for step in 1..=50 {
        let add = AddInPlace {
            x: one.view(),
            out: x.view_mut(),
            len: 1000,
        };
        add.launch(&kernels).unwrap();
        back.enqueue(x.view().range(step..step + 1).unwrap())
            .unwrap();
        if step > 1 {
            assert_eq!(back.wait().unwrap(), [(step - 1) as f32]);
        }
    }
    assert_eq!(back.wait().unwrap(), [50.0]);
    assert_eq!(device.n_allocations(), before);
}
