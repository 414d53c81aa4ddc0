//! How long a device takes to start, and how fast its memory is:
//! `cargo run --release -p cuda-kernels --example rates`.
#![allow(clippy::print_stdout, reason = "the output is what the example is for")]

use std::time::Instant;

use cuda_kernels::{Bandwidth, CudaError, Device, Kernels, ReadBack, Uploader};

const UPLOAD_BYTES: usize = 512 << 20;
const READS: usize = 1000;

fn main() -> Result<(), CudaError> {
    let start = Instant::now();
    let device = Device::open(0)?;
    println!("{}: opened in {:.0} ms", device.info().name, ms(start));

    let start = Instant::now();
    let kernels = Kernels::load(&device)?;
    println!("kernels loaded in {:.1} ms", ms(start));

    let bytes = vec![1_u8; UPLOAD_BYTES];
    let mut weights = device.zeroed::<u8>(UPLOAD_BYTES)?;
    device.synchronize()?;
    let start = Instant::now();
    let mut upload = Uploader::new(&device, 0)?;
    println!("uploader ready in {:.1} ms", ms(start));
    let start = Instant::now();
    upload.copy(&bytes, weights.view_mut())?;
    upload.finish()?;
    println!("upload: {:.1} GB/s", UPLOAD_BYTES as f64 / 1e6 / ms(start));
    let start = Instant::now();
    weights.write(0, &bytes)?;
    device.synchronize()?;
    println!(
        "pageable upload: {:.1} GB/s",
        UPLOAD_BYTES as f64 / 1e6 / ms(start)
    );

    let mut back = ReadBack::new(&device, 1, 1)?;
    let start = Instant::now();
    for _ in 0..READS {
        back.enqueue(weights.view().range(0..1)?)?;
        back.wait()?;
    }
    println!("reading a result: {:.1} us", ms(start) * 1e3 / READS as f64);

    let Bandwidth { read, copy } = Bandwidth::measure(&kernels)?;
    println!(
        "memory: {:.0} GB/s read, {:.0} GB/s copied",
        read / 1e9,
        copy / 1e9
    );
    Ok(())
}

fn ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
