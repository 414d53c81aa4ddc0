//! Launches that do not fit are refused before the driver hears of them.

use cuda_kernels::launch::{
    Argmax, Epilogue, Gather, Heads, ReadBandwidth, RmsNorm, Rope, RopeAppend, RopePairing, Sample,
    Swiglu,
};
use cuda_kernels::{CudaError, Kernels, WeightType};

use super::every_launch::{AttentionBuffers, Buffers, HEADS, ROWS, matmul, paging};
use super::fake_device;

/// Runs a launch that must be refused with these words.
fn refused(words: &str, launch: impl FnOnce(&Kernels, &mut Buffers) -> Result<(), CudaError>) {
    let (fake, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut buffers = Buffers::new(&device).unwrap();
    let error = launch(&kernels, &mut buffers).expect_err(words);
    assert!(matches!(error, CudaError::Shape { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("fake device 0") && text.contains(words),
        "{text}"
    );
    assert_eq!(fake.launches(), []);
}

#[test]
fn matmul_shapes() {
    refused("x has 768 values, not [4][256]", |kernels, b| {
        matmul(b, WeightType::F16, 4).launch(kernels).map(drop)
    });
    refused("n_rows is 0", |kernels, b| {
        matmul(b, WeightType::F16, 0).launch(kernels).map(drop)
    });
    refused("no whole Q4K blocks", |kernels, b| {
        let mut launch = matmul(b, WeightType::Q4K, 1);
        launch.weight.row_len = 128;
        launch.launch(kernels).map(drop)
    });
    refused("weight has 262144 values, not [257][1024]", |kernels, b| {
        let mut launch = matmul(b, WeightType::F32, 1);
        launch.weight.n_rows = 257;
        launch.out_width = 257;
        launch.launch(kernels).map(drop)
    });
    refused("256 outputs from column 1 on of 256", |kernels, b| {
        let mut launch = matmul(b, WeightType::F32, 1);
        launch.first_output = 1;
        launch.launch(kernels).map(drop)
    });
    refused("bias has 255 values", |kernels, b| {
        let mut launch = matmul(b, WeightType::F32, 1);
        launch.epilogue = Epilogue::Bias(launch.x.range(0..255)?);
        launch.launch(kernels).map(drop)
    });
    refused("multiple of 16", |kernels, b| {
        let mut launch = matmul(b, WeightType::F32, 1);
        launch.x = launch.x.range(1..257)?;
        launch.launch(kernels).map(drop)
    });
}

/// Runs a launch of attention that must be refused with these words.
fn attention_refused(
    words: &str,
    launch: impl FnOnce(&Kernels, &mut AttentionBuffers) -> Result<(), CudaError>,
) {
    let (fake, device) = fake_device();
    let kernels = Kernels::load(&device).unwrap();
    let mut buffers = AttentionBuffers::new(&device, HEADS).unwrap();
    let n_calls = fake.n_calls();
    let error = launch(&kernels, &mut buffers).expect_err(words);
    assert!(matches!(error, CudaError::Shape { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(fake.n_calls(), n_calls);
}

#[test]
fn attention_prefill_shapes() {
    let prefill = |heads: Heads, n_rows, window| {
        move |kernels: &Kernels, b: &mut AttentionBuffers| {
            let mut launch = b.prefill();
            (launch.heads, launch.n_rows, launch.window) = (heads, n_rows, window);
            launch.launch(kernels).map(drop)
        }
    };
    attention_refused("qkv has 384 values, not [4][128]", prefill(HEADS, 4, None));
    attention_refused("window is 0", prefill(HEADS, ROWS, Some(0)));
    let odd = Heads {
        n_heads: 3,
        ..HEADS
    };
    let words = "3 query heads cannot share 2 key heads";
    attention_refused(words, prefill(odd, 1, None));
    let wide = Heads {
        head_dim: 257,
        ..HEADS
    };
    attention_refused("heads of 257 channels", prefill(wide, 1, None));
    let narrow = Heads {
        head_dim: 12,
        ..HEADS
    };
    attention_refused("are not blocks of 768", prefill(narrow, 1, None));
    attention_refused("tiles has 6 values, not [4][2]", |kernels, b| {
        let mut launch = b.prefill();
        launch.n_tiles = 4;
        launch.launch(kernels).map(drop)
    });
}

#[test]
fn attention_decode_shapes() {
    attention_refused("sums has 1728 values, not [3456]", |kernels, b| {
        let mut launch = b.decode();
        launch.n_positions = 2049;
        launch.launch(kernels).map(drop)
    });
    attention_refused("tickets has 5 values, not [6]", |kernels, b| {
        let mut launch = b.decode();
        launch.scratch.tickets = launch.scratch.tickets.range(0..5)?;
        launch.launch(kernels).map(drop)
    });
    attention_refused("9 pairs in heads of 16 channels", |kernels, b| {
        let mut launch = b.decode();
        launch.n_pairs = 9;
        launch.launch(kernels).map(drop)
    });
    attention_refused("n_positions is 0", |kernels, b| {
        let mut launch = b.decode();
        launch.n_positions = 0;
        launch.launch(kernels).map(drop)
    });
}

#[test]
fn rope_append_shapes() {
    let rope = |n_pairs, sin_len| {
        move |kernels: &Kernels, b: &mut Buffers| {
            let launch = RopeAppend {
                qkv: b.out.view_mut(),
                in_place: true,
                rope: Rope {
                    cos: b.x.view(),
                    sin: b.x.view().range(0..sin_len)?,
                    n_pairs,
                    pairing: RopePairing::Adjacent,
                },
                keys: b.keys.view_mut(),
                values: b.values.view_mut(),
                paging: paging(&b.ids),
                heads: HEADS,
                n_rows: ROWS,
            };
            launch.launch(kernels).map(drop)
        }
    };
    refused("9 pairs in heads of 16 channels", rope(9, 768));
    refused("sin has 760 values", rope(8, 760));
}

#[test]
fn row_shapes() {
    refused("out has 768 values, not [3][257]", |kernels, b| {
        let (rows, out) = (b.ids.view(), b.out.view_mut());
        Gather {
            x: b.x.view(),
            rows,
            out,
            n_rows: 3,
            width: 257,
        }
        .launch(kernels)
        .map(drop)
    });
    refused("gate_up has 768 values, not [3][2][256]", |kernels, b| {
        let (gate_up, out) = (b.x.view(), b.out.view_mut());
        Swiglu {
            gate_up,
            out,
            n_rows: 3,
            ffn: 256,
        }
        .launch(kernels)
        .map(drop)
    });
    refused("weight has 128 values", |kernels, b| {
        let (x, out) = (b.x.view(), b.out.view_mut());
        let weight = x.range(0..128)?;
        RmsNorm {
            x,
            weight,
            out,
            eps: 0.0,
            n_rows: 1,
            width: 256,
        }
        .launch(kernels)
        .map(drop)
    });
    refused("255 threads are no multiple of 256", |kernels, _| {
        let words = kernels.device().zeroed(8)?;
        let mut out = kernels.device().zeroed(255)?;
        let (words, out) = (words.view(), out.view_mut());
        ReadBandwidth { words, out }.launch(kernels).map(drop)
    });
    refused("out has 3 values, not [4]", |kernels, b| {
        let (x, out) = (b.x.view(), b.found.view_mut());
        Argmax {
            x,
            keys: b.keys_of_logits.view_mut(),
            arrivals: b.arrivals.view_mut(),
            out,
            non_finite: b.non_finite.view_mut(),
            n_rows: 4,
            width: 8,
        }
        .launch(kernels)
        .map(drop)
    });
}

#[test]
fn sample_shapes() {
    let sample = |width, n_slots, n_counts, scratch_len| {
        move |kernels: &Kernels, b: &mut Buffers| {
            let launch = Sample {
                x: b.x.view(),
                params: b.params.view(),
                counts: b.arrivals.view_mut().range(0..n_counts)?,
                states: b.states.view_mut(),
                scratch: b.scratch.view_mut().range(0..scratch_len)?,
                tokens: b.found.view_mut(),
                positions: b.non_finite.view_mut(),
                results: b.results.view_mut(),
                n_rows: ROWS,
                width,
                n_slots,
            };
            launch.launch(kernels).map(drop)
        }
    };
    let len = Sample::scratch_len(ROWS, 256);
    refused("x has 768 values, not [3][257]", sample(257, 2, 0, len));
    refused("n_slots is 0", sample(256, 0, 0, len));
    refused("results has 6 values, not [3][3]", sample(256, 3, 0, len));
    refused("3 counts are not tables of 256", sample(256, 2, 3, len));
    refused("scratch has 3", sample(256, 2, 0, len - 1));
    let huge = Sample::MAX_WIDTH + 1;
    refused("more than 524288", sample(huge, 2, 0, len));
}
