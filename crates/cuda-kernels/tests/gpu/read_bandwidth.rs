//! Reading memory, and how fast it goes.

use cuda_kernels::Bandwidth;
use cuda_kernels::launch::ReadBandwidth;

use super::support::{Random, kernels};

#[test]
fn every_word_is_read_once() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(12);
    for n_vectors in [1, 255, 512, 8 * 512 - 1, 8 * 512, 100_003] {
        let words: Vec<u32> = (0..4 * n_vectors).map(|_| random.next() as u32).collect();
        let uploaded = device.upload(&words).unwrap();
        let mut out = device.upload(&[77; 512 + 1]).unwrap();
        let launch = ReadBandwidth {
            words: uploaded.view(),
            out: out.view_mut().range(0..512).unwrap(),
        };
        launch.launch(&kernels).unwrap();
        let mut expected = vec![0; 512];
        for (vector, words) in words.chunks(4).enumerate() {
            expected[vector % 512] ^= words.iter().fold(0, |folded, word| folded ^ word);
        }
        expected.push(77);
        assert_eq!(out.read(513).unwrap(), expected, "{n_vectors}");
    }
}

#[test]
fn bandwidth_is_that_of_a_gpu() {
    let Some(kernels) = kernels() else { return };
    if kernels.device().info().name.contains("emulated") {
        return;
    }
    let Bandwidth { read, copy } = Bandwidth::measure(&kernels).unwrap();
    for bytes_per_second in [read, copy] {
        assert!((1e11..2e13).contains(&bytes_per_second), "{read} {copy}");
    }
}
