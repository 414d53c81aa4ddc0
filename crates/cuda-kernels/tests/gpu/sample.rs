//! The sampler: every row has its own parameters, and steps follow each other on the device.

use cuda_kernels::Kernels;
use cuda_kernels::launch::{Sample, SampleParams, SampleResult, SampleState};

use super::support::{Random, kernels};

const N_SLOTS: usize = 4;
/// Nearer to a border than this, rounding decides.
const TIE: f64 = 1e-4;

/// A row: parameters, prompt, and the position of the first token chosen.
struct Row {
    params: SampleParams,
    prompt: Vec<u32>,
    position: u32,
}

fn greedy() -> SampleParams {
    SampleParams {
        temperature: 0.0,
        top_k: 0,
        top_p: 1.0,
        min_p_log: f32::NEG_INFINITY,
        repetition_penalty: 1.0,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        seed: [1, 2],
        counts: Sample::NONE,
        n_logprobs: Sample::NONE,
        is_active: 1,
    }
}

/// Runs steps back to back, without looking in between; results as `[step][row]`, and the tokens
/// and positions that they leave.
fn run(
    kernels: &Kernels,
    rows: &[Row],
    steps: &[Vec<f32>],
) -> (Vec<Vec<SampleResult>>, Vec<u32>, Vec<u32>) {
    let (device, n_rows) = (kernels.device(), rows.len());
    let width = steps[0].len() / n_rows;
    let params: Vec<SampleParams> = rows.iter().map(|row| row.params).collect();
    let before: Vec<u32> = rows.iter().map(|row| row.position - 1).collect();
    let mut tables = vec![0; n_rows * width];
    for row in rows.iter().filter(|row| row.params.counts != Sample::NONE) {
        for &id in &row.prompt {
            tables[row.params.counts as usize * width + id as usize] = Sample::IN_PROMPT;
        }
    }
    let params = device.upload(&params).unwrap();
    let mut counts = device.upload(&tables).unwrap();
    let mut states = device.zeroed::<SampleState>(n_rows).unwrap();
    let mut scratch = device.zeroed(Sample::scratch_len(n_rows, width)).unwrap();
    let mut tokens = device.upload(&vec![77_u32; n_rows]).unwrap();
    let mut positions = device.upload(&before).unwrap();
    let mut results = device.zeroed::<SampleResult>(N_SLOTS * n_rows).unwrap();
    let inputs: Vec<_> = steps.iter().map(|x| device.upload(x).unwrap()).collect();
    for x in &inputs {
        let sample = Sample {
            x: x.view(),
            params: params.view(),
            counts: counts.view_mut(),
            states: states.view_mut(),
            scratch: scratch.view_mut(),
            tokens: tokens.view_mut(),
            positions: positions.view_mut(),
            results: results.view_mut(),
            n_rows,
            width,
            n_slots: N_SLOTS,
        };
        sample.launch(kernels).unwrap();
    }
    let all = results.read(N_SLOTS * n_rows).unwrap();
    let slots = all.chunks(n_rows).map(<[SampleResult]>::to_vec);
    let left = [tokens, positions].map(|buffer| buffer.read(n_rows).unwrap());
    let [tokens, positions] = left;
    (slots.take(steps.len()).collect(), tokens, positions)
}

/// Philox4x32-10.
fn philox(key: [u32; 2], mut c: [u32; 4]) -> [u32; 4] {
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let a = 0xD251_1F53 * u64::from(c[0]);
        let b = 0xCD9E_8D57 * u64::from(c[2]);
        let high = [(a >> 32) as u32, (b >> 32) as u32];
        c = [high[1] ^ c[1] ^ k0, b as u32, high[0] ^ c[3] ^ k1, a as u32];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    c
}

fn gumbel(params: &SampleParams, position: u32, id: u32) -> f64 {
    let x = philox(params.seed, [id / 4, 0, position, 0])[id as usize % 4];
    -(-((f64::from(x) + 0.5) / 4_294_967_296.0).ln()).ln()
}

/// The token by the formula, in f64; `None` where rounding decides.
fn reference(row: &Row, output: &[u32], logits: &[f32], position: u32) -> Option<u32> {
    let params = &row.params;
    let mut kept: Vec<(u32, f64)> = (0..)
        .zip(logits)
        .map(|(id, &logit)| (id, penalised(row, output, id, f64::from(logit))))
        .collect();
    kept.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let largest = kept[0].1;
    if params.temperature == 0.0 {
        let close = kept.iter().any(|&(_, l)| l != largest && largest - l < TIE);
        return (!close).then(|| kept[0].0);
    }
    for (_, logit) in &mut kept {
        *logit = (*logit - largest) / f64::from(params.temperature);
    }
    if params.top_k > 0 {
        kept.truncate(params.top_k as usize);
    }
    let total: f64 = kept.iter().map(|&(_, s)| s.exp()).sum();
    let (mut sum, mut n, mut close) = (0.0, 0, false);
    while params.top_p < 1.0 && sum < f64::from(params.top_p) && n < kept.len() {
        sum += kept[n].1.exp() / total;
        close |= (sum - f64::from(params.top_p)).abs() < TIE / 100.0;
        n += 1;
    }
    if n > 0 {
        kept.truncate(n);
    }
    let floor = f64::from(params.min_p_log);
    close |= kept
        .iter()
        .any(|&(_, s)| s != 0.0 && (s - floor).abs() < TIE);
    kept.retain(|&(_, s)| s >= floor);
    let mut noisy: Vec<(f64, u32)> = kept
        .iter()
        .map(|&(id, s)| (s + gumbel(params, position, id), id))
        .collect();
    noisy.sort_by(|a, b| b.0.total_cmp(&a.0));
    close |= noisy.len() > 1 && noisy[0].0 - noisy[1].0 < TIE;
    (!close).then(|| noisy[0].1)
}

fn penalised(row: &Row, output: &[u32], id: u32, mut logit: f64) -> f64 {
    let params = &row.params;
    let count = output.iter().filter(|&&token| token == id).count();
    if params.counts == Sample::NONE || (count == 0 && !row.prompt.contains(&id)) {
        return logit;
    }
    let penalty = f64::from(params.repetition_penalty);
    logit = if logit > 0.0 {
        logit / penalty
    } else {
        logit * penalty
    };
    if count > 0 {
        logit -= f64::from(params.presence_penalty);
        logit -= f64::from(params.frequency_penalty) * count as f64;
    }
    logit
}

/// A row with parameters of every kind.
fn any_row(random: &mut Random, at: u32, width: usize) -> Row {
    let mut params = greedy();
    let mut pick = |choices: &[f32]| choices[random.below(choices.len())];
    params.temperature = pick(&[0.0, 0.3, 0.8, 0.8, 2.0]);
    params.top_k = pick(&[0.0, 0.0, 1.0, 5.0, 40.0, 256.0]) as u32;
    params.top_p = pick(&[1.0, 1.0, 0.1, 0.5, 0.95]);
    params.min_p_log = pick(&[0.0, 0.0, 0.01, 0.2]).ln();
    if pick(&[0.0, 1.0]) == 1.0 {
        params.counts = at;
        params.repetition_penalty = pick(&[1.0, 1.3, 0.8]);
        params.presence_penalty = pick(&[0.0, 0.7, -1.0]);
        params.frequency_penalty = pick(&[0.0, 0.4]);
    }
    params.seed = [random.next() as u32, random.next() as u32];
    let prompt = (0..5).map(|_| random.below(width) as u32).collect();
    let position = 1 + random.below(5000) as u32;
    Row {
        params,
        prompt,
        position,
    }
}

#[test]
fn every_row_gets_the_token_of_the_formula() {
    let Some(kernels) = kernels() else { return };
    let mut random = Random(31);
    let (mut n, mut ties) = (0, 0);
    for (width, n_rows, rounds) in [
        (1, 3, 4),
        (7, 9, 40),
        (1000, 64, 8),
        (32_064, 5, 6),
        (151_936, 7, 3),
    ] {
        for round in 0..rounds {
            // Peaked and flat ones.
            let scale = [8.0, 3.0, 0.1][round % 3];
            let rows: Vec<Row> = (0..n_rows)
                .map(|at| any_row(&mut random, at, width))
                .collect();
            let steps: Vec<Vec<f32>> = (0..3)
                .map(|_| {
                    let cubes = random.floats(rows.len() * width).into_iter();
                    cubes.map(|x| x * x * x * scale).collect()
                })
                .collect();
            let (found, tokens, positions) = run(&kernels, &rows, &steps);
            for (at, row) in rows.iter().enumerate() {
                let mut output = Vec::new();
                for (step, logits) in steps.iter().enumerate() {
                    let result = &found[step][at];
                    let logits = &logits[at * width..(at + 1) * width];
                    let position = row.position + step as u32;
                    assert_eq!((result.position, result.non_finite), (position, 0));
                    n += 1;
                    match reference(row, &output, logits, position) {
                        Some(expected) => {
                            assert_eq!(result.id, expected, "{width}, {step}: {:?}", row.params);
                        }
                        None => ties += 1,
                    }
                    output.push(result.id);
                }
                assert_eq!(Some(&tokens[at]), output.last());
                assert_eq!(positions[at], row.position + 2);
            }
        }
    }
    assert!(ties * 6 < n, "{ties} of {n} were left to rounding");
}

#[test]
fn a_row_that_is_not_finite_fails_alone_and_for_good() {
    let Some(kernels) = kernels() else { return };
    let width = 3000;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for temperature in [0.0, 0.8] {
            let mut params = greedy();
            params.temperature = temperature;
            params.n_logprobs = 1;
            let rows = [0, 1, 2].map(|at| Row {
                params: SampleParams {
                    is_active: u32::from(at != 2),
                    ..params
                },
                prompt: Vec::new(),
                position: 9,
            });
            let good = Random(32).floats(3 * width);
            let mut ill = good.clone();
            [ill[5], ill[2999]] = [bad, bad];
            let (found, tokens, positions) =
                run(&kernels, &rows, &[good.clone(), ill, good.clone()]);
            let of_row = |row: usize| [0, 1, 2].map(|step| found[step][row]);
            let ids = of_row(0).map(|result| result.id);
            assert!(ids[0] < width as u32);
            assert_eq!(ids[1..], [Sample::NONE; 2]);
            assert_eq!(of_row(0).map(|result| result.non_finite), [0, 2, 0]);
            assert!(of_row(1).iter().all(|result| result.id < width as u32));
            assert_eq!(tokens[0], 0, "the next step can embed it");
            // The third is left alone.
            assert_eq!((tokens[2], positions), (77, vec![11, 11, 8]));
        }
    }
}

#[test]
fn log_probabilities_are_of_the_logits_as_given() {
    let Some(kernels) = kernels() else { return };
    let (width, n_top) = (151_936, 20);
    let mut params = greedy();
    params.n_logprobs = n_top;
    params.counts = 0;
    params.repetition_penalty = 3.0;
    let logits: Vec<f32> = Random(33).floats(width).iter().map(|x| x * 9.0).collect();
    let mut sorted: Vec<u32> = (0..width as u32).collect();
    sorted.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
    let row = Row {
        params,
        prompt: sorted[..3].to_vec(),
        position: 1,
    };
    let (found, ..) = run(&kernels, &[row], std::slice::from_ref(&logits));
    let sum: f64 = logits.iter().map(|&l| f64::from(l).exp()).sum();
    let logprob = |id: u32| f64::from(logits[id as usize]) - sum.ln();
    let result = found[0][0];
    assert_eq!(
        result.id, sorted[3],
        "the three of the prompt are penalised"
    );
    assert!((f64::from(result.logprob) - logprob(result.id)).abs() < 5e-6);
    assert_eq!(result.top_ids[..], sorted[..n_top as usize]);
    for (id, found) in result.top_ids.into_iter().zip(result.top_logprobs) {
        assert!(
            (f64::from(found) - logprob(id)).abs() < 5e-6,
            "{id}: {found}"
        );
    }
}
