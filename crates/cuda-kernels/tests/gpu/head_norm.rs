//! RMSNorm over heads.

use cuda_kernels::launch::{HeadNorm, Heads};

use super::rms_norm::reference;
use super::support::{Guarded, Random, assert_close, assert_same, kernels};

#[test]
fn queries_and_keys_are_normed_and_values_are_not() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let mut random = Random(5);
    for (n_heads, n_kv_heads, head_dim) in [(4, 2, 64), (3, 1, 20), (2, 2, 128)] {
        let heads = Heads {
            n_heads,
            n_kv_heads,
            head_dim,
        };
        let n_rows = 3;
        let qkv = random.floats(n_rows * heads.qkv_width());
        let [q_weight, k_weight] = [random.floats(head_dim), random.floats(head_dim)];
        let mut out = Guarded::with(device, &qkv);
        let [q, k] = [&q_weight, &k_weight].map(|weight| device.upload(weight).unwrap());
        let launch = HeadNorm {
            qkv: out.buffer.view_mut(),
            q_weight: q.view(),
            k_weight: k.view(),
            eps: 1e-6,
            heads,
            n_rows,
        };
        launch.launch(&kernels).unwrap();
        let found = out.read();
        for (i, (found, x)) in found.chunks(head_dim).zip(qkv.chunks(head_dim)).enumerate() {
            let head = i % (n_heads + 2 * n_kv_heads);
            let case = format!("{heads:?}, head {head}");
            if head >= n_heads + n_kv_heads {
                assert_same(found, x, &case);
            } else {
                let weight = if head < n_heads { &q_weight } else { &k_weight };
                assert_close(found, &reference(x, weight, 1e-6), 1e-10, &case);
            }
        }
    }
}
