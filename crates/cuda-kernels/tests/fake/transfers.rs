//! Bytes on their way to the device and back, and memory given out in parts.

use cuda_kernels::{Arena, Bandwidth, CudaError, Kernels, MemoryClass, ReadBack, Uploader};

use super::fake_device;

const CHUNK: usize = 1000;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn every_byte_is_copied() {
    let (fake, device) = fake_device();
    let mut upload = Uploader::with_chunks(&device, CHUNK).unwrap();
    for len in [0, 1, CHUNK, 7 * CHUNK + 123] {
        let from = bytes(len);
        let mut to = device.zeroed::<u8>(len + 10).unwrap();
        upload
            .copy(&from, to.view_mut().range(5..len + 10).unwrap())
            .unwrap();
        let found = to.read(len + 10).unwrap();
        assert!(found[5..len + 5] == from && found[..5] == [0; 5] && found[len + 5..] == [0; 5]);
    }
    let mut small = device.zeroed::<u8>(9).unwrap();
    let error = upload.copy(&bytes(10), small.view_mut()).unwrap_err();
    assert_eq!(error, CudaError::Range { end: 10, len: 9 });
    upload.finish().unwrap();
    drop((small, device));
    assert_eq!(fake.n_alive(), 0);
}

#[test]
fn large_chunks_are_filled_by_several_threads() {
    let (_, device) = fake_device();
    let from = bytes((20 << 20) + 1);
    let mut to = device.zeroed::<u8>(from.len()).unwrap();
    let mut upload = Uploader::new(&device, 0).unwrap();
    upload.copy(&from, to.view_mut()).unwrap();
    upload.finish().unwrap();
    assert!(to.read(from.len()).unwrap() == from);
}

#[test]
fn chunks_are_staged_in_whole_units() {
    let (_, device) = fake_device();
    let mut upload = Uploader::with_chunks(&device, CHUNK).unwrap();
    let from = bytes(3333);
    let mut expected_first = 0;
    let staged = upload.stage(&from, 300, |first, chunk| {
        assert_eq!(first, expected_first);
        let len = (from.len() - first).min(900);
        assert!(chunk.range(0..len).is_ok() && chunk.range(0..len + 1).is_err());
        // What a kernel would read, by way of the host.
        let mut back = ReadBack::new(&device, 1, CHUNK)?;
        back.enqueue(chunk)?;
        assert_eq!(back.wait()?, &from[first..first + len]);
        expected_first += len;
        Ok::<(), CudaError>(())
    });
    staged.unwrap();
    assert_eq!(expected_first, from.len());
    let error = upload.stage(&from, 1001, |_, _| Ok::<(), CudaError>(()));
    assert_eq!(
        error,
        Err(CudaError::Range {
            end: 1001,
            len: 1000
        })
    );
    let stop = CudaError::NoDevice;
    assert_eq!(
        upload.stage(&from, 1, |_, _| Err(stop.clone())),
        Err(stop.clone())
    );
}

#[test]
fn results_come_back_in_order() {
    let (_, device) = fake_device();
    let mut back = ReadBack::<u32>::new(&device, 2, 3).unwrap();
    assert_eq!(back.wait().unwrap(), []);
    let mut buffer = device.upload(&[1, 2, 3, 4]).unwrap();
    for round in 0..3 {
        buffer.write(0, &[round]).unwrap();
        back.enqueue(buffer.view().range(0..3).unwrap()).unwrap();
        buffer.write(0, &[10 + round]).unwrap();
        back.enqueue(buffer.view().range(0..1).unwrap()).unwrap();
        let full = back.enqueue(buffer.view().range(0..1).unwrap());
        assert_eq!(full, Err(CudaError::Range { end: 3, len: 2 }));
        assert_eq!(back.wait().unwrap(), [round, 2, 3]);
        assert_eq!(back.wait().unwrap(), [10 + round]);
    }
    let error = back.enqueue(buffer.view()).unwrap_err();
    assert_eq!(error, CudaError::Range { end: 4, len: 3 });
}

#[test]
fn an_arena_is_one_allocation() {
    let (fake, device) = fake_device();
    let bytes = 2 * Arena::bytes_for::<f32>(100) + Arena::bytes_for::<u8>(1);
    assert_eq!(bytes, 2 * 512 + 256);
    let before = device.n_allocations();
    let mut arena = device.arena(bytes).unwrap();
    let mut first = arena.zeroed::<f32>(100, MemoryClass::Weights).unwrap();
    let second = arena.zeroed::<f32>(100, MemoryClass::KvCache).unwrap();
    first.write(99, &[7.0]).unwrap();
    assert_eq!(second.read(100).unwrap(), [0.0; 100]);
    assert_eq!(first.read(100).unwrap()[99], 7.0);
    let in_use = arena.memory_use();
    assert_eq!(
        (in_use.weights, in_use.kv_cache, in_use.total()),
        (512, 512, 1024)
    );
    let error = arena.zeroed::<u32>(65, MemoryClass::Scratch).err().unwrap();
    assert!(
        matches!(
            error,
            CudaError::OutOfMemory {
                needed: 512,
                free: 256,
                ..
            }
        ),
        "{error}"
    );
    arena.zeroed::<u8>(256, MemoryClass::Activations).unwrap();
    assert!(
        arena
            .zeroed::<u8>(usize::MAX, MemoryClass::Scratch)
            .is_err()
    );
    assert_eq!(device.n_allocations(), before + 1);
    // The memory stays as long as anybody has a part of it.
    drop((arena, second));
    assert_eq!(first.read(100).unwrap()[99], 7.0);
    drop((first, device));
    assert_eq!(fake.n_alive(), 0);
}

#[test]
fn bandwidth_is_measured_in_what_memory_is_free() {
    let (fake, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    fake.set_memory(4 << 20);
    // The fake device takes a millisecond for everything.
    let Bandwidth { read, copy } = Bandwidth::measure(&kernels).unwrap();
    assert_eq!((read, copy), (1048.576e6, 1048.576e6));
    fake.set_memory(100);
    assert!(Bandwidth::measure(&kernels).is_err());
}
