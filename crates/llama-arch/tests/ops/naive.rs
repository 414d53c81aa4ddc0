//! Every operation of a backend in f64, written from its formula and from nothing else.

use llama_arch::backend::AttentionShape;
use llama_arch::config::RopePairing;

/// `x[i] * weight[i] / sqrt(mean(x^2) + eps)` for every row as wide as `weight`.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f64> {
    let row = |row: &[f32]| {
        let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let root = (squares / row.len() as f64 + f64::from(eps)).sqrt();
        let pairs = row.iter().zip(weight);
        pairs
            .map(|(&x, &w)| f64::from(x) * f64::from(w) / root)
            .collect::<Vec<_>>()
    };
    x.chunks_exact(weight.len()).flat_map(row).collect()
}

/// `sum over i of weight[o][i] * x[r][i]`.
pub(crate) fn matmul(weight: &[f32], x: &[f32], row_len: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len() / row_len * (weight.len() / row_len));
    for x in x.chunks_exact(row_len) {
        for weight in weight.chunks_exact(row_len) {
            let products = weight.iter().zip(x);
            out.push(products.map(|(&w, &x)| f64::from(w) * f64::from(x)).sum());
        }
    }
    out
}

/// RMSNorm over the heads of Q and of K.
pub(crate) fn head_norm(
    qkv: &[f32],
    (q_weight, k_weight): (&[f32], &[f32]),
    eps: f32,
    shape: &AttentionShape,
) -> Vec<f64> {
    let mut out = Vec::with_capacity(qkv.len());
    for row in qkv.chunks_exact(shape.qkv_width()) {
        let (q, kv) = row.split_at(shape.q_width());
        let (k, v) = kv.split_at(shape.kv_width());
        out.extend(rms_norm(q, q_weight, eps));
        out.extend(rms_norm(k, k_weight, eps));
        out.extend(v.iter().map(|&v| f64::from(v)));
    }
    out
}

/// One QKV row with Q and K turned: pair `i` by `position * theta^(-2i / rope_dims)`.
pub(crate) fn rope(row: &[f32], position: usize, theta: f32, shape: &AttentionShape) -> Vec<f64> {
    let mut out: Vec<f64> = row.iter().map(|&value| f64::from(value)).collect();
    let n_heads = shape.n_heads + shape.n_kv_heads;
    for head in 0..n_heads {
        for pair in 0..shape.rope_dims / 2 {
            let exponent = -2.0 * pair as f64 / shape.rope_dims as f64;
            let angle = position as f64 * f64::from(theta).powf(exponent);
            let (first, second) = match shape.rope_pairing {
                RopePairing::Adjacent => (2 * pair, 2 * pair + 1),
                RopePairing::Halves => (pair, pair + shape.rope_dims / 2),
            };
            let (first, second) = (
                head * shape.head_dim + first,
                head * shape.head_dim + second,
            );
            let (a, b) = (out[first], out[second]);
            out[first] = a * angle.cos() - b * angle.sin();
            out[second] = a * angle.sin() + b * angle.cos();
        }
    }
    out
}

/// One row of attention: `q` is `[n_heads][head_dim]`; `keys` and `values` have a
/// `[n_kv_heads][head_dim]` row for every position up to the query's own, which is the last.
pub(crate) fn attention(
    q: &[f64],
    (keys, values): (&[Vec<f64>], &[Vec<f64>]),
    shape: &AttentionShape,
) -> Vec<f64> {
    let head_dim = shape.head_dim;
    let start = shape
        .window
        .map_or(0, |window| keys.len().saturating_sub(window));
    let mut out = Vec::with_capacity(q.len());
    for (head, q) in q.chunks_exact(head_dim).enumerate() {
        let kv_head = head / (shape.n_heads / shape.n_kv_heads);
        let channels = kv_head * head_dim..(kv_head + 1) * head_dim;
        let score = |key: &Vec<f64>| {
            let products = q.iter().zip(&key[channels.clone()]);
            products.map(|(q, k)| q * k).sum::<f64>() / (head_dim as f64).sqrt()
        };
        let scores: Vec<f64> = keys[start..].iter().map(score).collect();
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
        let total: f64 = weights.iter().sum();
        out.extend(channels.map(|channel| {
            let terms = weights.iter().zip(&values[start..]);
            terms
                .map(|(weight, v)| weight / total * v[channel])
                .sum::<f64>()
        }));
    }
    out
}

/// `silu(gate) * up` with `silu(x) = x / (1 + e^-x)`, for rows of `ffn` gates and `ffn` ups.
pub(crate) fn swiglu(gate_up: &[f32], ffn: usize) -> Vec<f64> {
    let row = |row: &[f32]| {
        let value = |i| {
            let (gate, up) = (f64::from(row[i]), f64::from(row[ffn + i]));
            gate / (1.0 + (-gate).exp()) * up
        };
        (0..ffn).map(value).collect::<Vec<f64>>()
    };
    gate_up.chunks_exact(2 * ffn).flat_map(row).collect()
}

/// Row `i` of the result is row `rows[i]` of `x`, which is `width` wide.
pub(crate) fn gather(x: &[f32], rows: &[usize], width: usize) -> Vec<f64> {
    let row = |&row: &usize| x[row * width..(row + 1) * width].iter();
    rows.iter()
        .flat_map(row)
        .map(|&value| f64::from(value))
        .collect()
}
