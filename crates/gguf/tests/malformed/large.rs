//! G15, G20: many items. What takes time in the square of their number would not end here.

use std::time::{Duration, Instant};

use gguf::GgufFile;

use crate::measure::peak_of;
use crate::raw::{Raw, U8};
use crate::variant;

const I8: u32 = 24;

/// Opens a large file within the bounds; gives the variant of the error, if there is one.
fn open(file: Raw) -> Result<GgufFile, String> {
    let allowed = (64 << 10) + 4 * file.0.len();
    let start = Instant::now();
    let (result, peak) = peak_of(|| GgufFile::from_bytes(file.0));
    let took = start.elapsed();
    println!("{took:?}, {peak} of {allowed} bytes");
    assert!(took < Duration::from_secs(2), "took {took:?}");
    assert!(peak <= allowed, "held {peak} bytes, {allowed} allowed");
    result.map_err(|error| variant(&error))
}

/// Keys in an order that is neither rising nor falling.
fn keys(count: u32) -> Raw {
    let key = |i: u32| format!("{:x}", i.wrapping_mul(2_654_435_761));
    (0..count).fold(Raw::new(3, 0, count.into()), |file, i| {
        file.key(key(i), U8).bytes(&[1])
    })
}

#[test]
fn a_million_keys() {
    let file = open(keys(1_000_000)).unwrap();
    assert_eq!(file.metadata().len(), 1_000_000);
    assert_eq!(file.metadata().u32("9e3779b1").unwrap(), 1);
    assert!(!file.metadata().contains("missing"));
}

#[test]
fn a_million_keys_of_which_two_are_alike() {
    let mut file = keys(999_999).key("9e3779b1", U8).bytes(&[1]);
    file.0[16..24].copy_from_slice(&1_000_000_u64.to_le_bytes());
    assert_eq!(open(file).unwrap_err(), "DuplicateKey");
}

fn tensors(count: u64, offset: impl Fn(u64) -> u64) -> Raw {
    let start = Raw::new(3, count, 1).pair("general.alignment", 8);
    let file = (0..count).fold(start, |file, i| {
        file.info(
            format!("{:x}", i.wrapping_mul(0x9e37_79b9) % (1 << 32)),
            &[8],
            I8,
            offset(i),
        )
    });
    file.align(8).zeros(count as usize * 8)
}

#[test]
fn a_hundred_thousand_tensors() {
    let n = 100_000;
    // Their data lies in the reverse of their order.
    let file = open(tensors(n, |i| (n - 1 - i) * 8)).unwrap();
    assert_eq!((file.n_tensors(), file.data_bytes()), (100_000, 800_000));
    assert!(file.warnings().is_empty());
}

#[test]
fn a_hundred_thousand_tensors_on_the_same_bytes() {
    assert_eq!(open(tensors(100_000, |_| 0)).unwrap_err(), "Overlap");
}

#[test]
fn a_count_that_fits_the_file_but_not_its_content() {
    // Buffers for all the pairs that could fit are made, and no more.
    let file = Raw::new(3, 0, (1 << 20) / 14).zeros(1 << 20);
    assert_eq!(open(file).unwrap_err(), "EmptyKey");
}
