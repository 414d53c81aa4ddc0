//! From logits to a token.
//!
//! Order: logit bias, penalties, temperature, top-k, top-p, min-p, draw. Temperature 0 is the
//! largest logit, ties to the lowest id. Otherwise every candidate's scaled logit gets a Gumbel
//! noise drawn from (seed, position, id) and the largest sum wins, which draws from the softmax
//! without a running sum: the result does not depend on the order of the vocabulary or on what
//! else is sampled, and a device can do it as one reduction.

mod elementary;
mod filter;
mod philox;
mod stop;

use filter::Scaled;
use philox::GumbelNoise;
pub use philox::Philox;
pub use stop::{StopMatcher, Stopped};

use crate::error::{Error, Result};

/// How to choose the next token.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplingParams {
    /// 0 (greedy) to 2.
    pub temperature: f32,
    /// Keep the `k` most likely tokens; 0: all.
    pub top_k: usize,
    /// Keep the fewest most likely tokens whose probabilities reach this sum; 1: all.
    pub top_p: f32,
    /// Drop tokens less likely than this share of the most likely one; 0: none.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens in prompt and output; 1: off.
    pub repetition_penalty: f32,
    /// Subtracted once from the logits of tokens in the output.
    pub presence_penalty: f32,
    /// Subtracted for each occurrence in the output.
    pub frequency_penalty: f32,
    /// Added to the logits of these ids.
    pub logit_bias: Vec<(u32, f32)>,
    /// Key of the random numbers.
    pub seed: u64,
    /// Report log probabilities: the chosen token's, and of this many most likely ones. `None`
    /// saves a pass over the vocabulary for each token.
    pub logprobs: Option<usize>,
    /// Ids that end the output; they are not part of it.
    pub stop_tokens: Vec<u32>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: 0,
            logprobs: None,
            stop_tokens: Vec::new(),
        }
    }
}

impl SamplingParams {
    /// Checks every parameter against its range and every id against the vocabulary.
    ///
    /// # Errors
    /// [`Error::InvalidSampling`] or [`Error::TokenOutOfRange`].
    pub fn check(&self, vocab: usize) -> Result<()> {
        let ranges = [
            ("temperature", self.temperature, 0.0..=2.0),
            ("top_p", self.top_p, f32::MIN_POSITIVE..=1.0),
            ("min_p", self.min_p, 0.0..=1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01..=100.0),
            ("presence_penalty", self.presence_penalty, -2.0..=2.0),
            ("frequency_penalty", self.frequency_penalty, -2.0..=2.0),
        ];
        let biases = self
            .logit_bias
            .iter()
            .map(|&(_, b)| ("logit_bias", b, -100.0..=100.0));
        for (name, value, range) in ranges.into_iter().chain(biases) {
            if !range.contains(&value) {
                return Err(Error::InvalidSampling { name, value, range });
            }
        }
        let ids = self
            .logit_bias
            .iter()
            .map(|&(id, _)| id)
            .chain(self.stop_tokens.iter().copied());
        match ids.into_iter().find(|&id| id as usize >= vocab) {
            Some(id) => Err(Error::TokenOutOfRange { id, vocab }),
            None => Ok(()),
        }
    }
}

/// A chosen token.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Its id.
    pub id: u32,
    /// What [`SamplingParams::logprobs`] asks for.
    pub logprobs: Option<Logprobs>,
}

/// Natural logarithms of probabilities under the unmodified logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprobs {
    /// Of the chosen token.
    pub chosen: f32,
    /// The most likely tokens, most likely first.
    pub top: Vec<(u32, f32)>,
}

/// Chooses tokens of one request. Holds scratch memory and counts, no randomness: equal inputs
/// give equal tokens.
#[derive(Clone, Debug)]
pub struct Sampler {
    params: SamplingParams,
    logits: Vec<f32>,
    /// Occurrences of each id in the output, for ids that occur.
    generated: Vec<(u32, u32)>,
    /// Distinct ids of prompt and output.
    seen: Vec<u32>,
    candidates: Vec<u32>,
}

impl Sampler {
    /// A sampler for a request with this prompt.
    ///
    /// # Errors
    /// See [`SamplingParams::check`]; [`Error::TokenOutOfRange`] for the prompt's ids too.
    pub fn new(params: SamplingParams, prompt: &[u32], vocab: usize) -> Result<Self> {
        params.check(vocab)?;
        if let Some(&id) = prompt.iter().find(|&&id| id as usize >= vocab) {
            return Err(Error::TokenOutOfRange { id, vocab });
        }
        let mut seen = prompt.to_vec();
        seen.sort_unstable();
        seen.dedup();
        Ok(Self {
            params,
            logits: Vec::with_capacity(vocab),
            generated: Vec::new(),
            seen,
            candidates: Vec::new(),
        })
    }

    /// The parameters.
    pub fn params(&self) -> &SamplingParams {
        &self.params
    }

    /// Chooses the token at `position` of the sequence from the `[vocab]` logits of the position
    /// before it, and counts it as output. The logits must be finite, as those of
    /// [`crate::Logits::row`] are.
    pub fn sample(&mut self, logits: &[f32], position: usize) -> Sampled {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        self.penalise();
        let id = if self.params.temperature == 0.0 {
            self.greedy()
        } else {
            self.draw(position)
        };
        self.count(id);
        let logprobs = self.params.logprobs.map(|n| self.logprobs(logits, id, n));
        Sampled { id, logprobs }
    }

    fn penalise(&mut self) {
        let params = &self.params;
        for &(id, bias) in &params.logit_bias {
            self.logits[id as usize] += bias;
        }
        if params.repetition_penalty != 1.0 {
            for &id in &self.seen {
                let logit = &mut self.logits[id as usize];
                let penalised = if *logit > 0.0 {
                    *logit / params.repetition_penalty
                } else {
                    *logit * params.repetition_penalty
                };
                *logit = penalised.clamp(f32::MIN, f32::MAX);
            }
        }
        for &(id, count) in &self.generated {
            self.logits[id as usize] -=
                params.presence_penalty + params.frequency_penalty * count as f32;
        }
    }

    fn greedy(&self) -> u32 {
        argmax(self.logits.iter().copied().zip(0..))
    }

    fn draw(&mut self, position: usize) -> u32 {
        let scaled = Scaled {
            logits: &self.logits,
            largest: self.logits.iter().copied().fold(f32::MIN, f32::max),
            temperature: self.params.temperature,
        };
        filter::candidates(&scaled, &self.params, &mut self.candidates);
        let noise = GumbelNoise::new(self.params.seed, position as u64);
        noise.largest_sum(self.candidates.iter().map(|&id| (scaled.at(id), id)))
    }

    /// Distinct ids of prompt and output, and occurrences of each in the output, by rising id.
    pub(crate) fn counted(&self) -> (&[u32], &[(u32, u32)]) {
        (&self.seen, &self.generated)
    }

    /// Counts a token as output.
    pub(crate) fn count(&mut self, id: u32) {
        match self.generated.binary_search_by_key(&id, |&(id, _)| id) {
            Ok(at) => self.generated[at].1 += 1,
            Err(at) => self.generated.insert(at, (id, 1)),
        }
        if let Err(at) = self.seen.binary_search(&id) {
            self.seen.insert(at, id);
        }
    }

    fn logprobs(&mut self, logits: &[f32], chosen: u32, n_top: usize) -> Logprobs {
        let normaliser = log_sum_exp(logits);
        let logprob = |id: u32| (f64::from(logits[id as usize]) - normaliser) as f32;
        self.candidates.clear();
        if n_top > 0 {
            filter::all(logits.len(), &mut self.candidates);
            filter::keep_top(logits, n_top, &mut self.candidates);
            filter::sort(logits, &mut self.candidates);
        }
        let top = self.candidates.iter().map(|&id| (id, logprob(id)));
        Logprobs {
            chosen: logprob(chosen),
            top: top.collect(),
        }
    }
}

/// The id with the largest value; the lowest such id.
fn argmax(values: impl Iterator<Item = (f32, u32)>) -> u32 {
    let better = |best, found| if is_better(found, best) { found } else { best };
    values.fold((f32::NEG_INFINITY, u32::MAX), better).1
}

/// Larger, or as large with a lower id.
fn is_better(a: (f32, u32), b: (f32, u32)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)
}

/// `ln(sum of e^logit)`, in f64.
fn log_sum_exp(logits: &[f32]) -> f64 {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits
        .iter()
        .map(|&logit| (f64::from(logit) - max).exp())
        .sum();
    max + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a device is told of a request that it goes on with.
    #[test]
    fn ids_are_counted_in_rising_order() {
        let params = SamplingParams {
            temperature: 0.5,
            ..Default::default()
        };
        let mut sampler = Sampler::new(params.clone(), &[5, 2, 5], 8).unwrap();
        for id in [7, 2, 7] {
            sampler.count(id);
        }
        assert_eq!(sampler.params(), &params);
        assert_eq!(sampler.counted(), (&[2, 5, 7][..], &[(2, 1), (7, 2)][..]));
    }

    /// Candidates come in no order behind top-k.
    #[test]
    fn better_is_larger_or_as_large_with_a_lower_id() {
        let ranks = [(2.0, 9), (1.0, 3), (1.0, 4), (f32::NEG_INFINITY, 0)];
        for (at, a) in ranks.into_iter().enumerate() {
            for (other, b) in ranks.into_iter().enumerate() {
                assert_eq!(is_better(a, b), at < other, "{a:?} {b:?}");
            }
        }
        let backwards = ranks.into_iter().rev();
        assert_eq!(argmax(backwards.filter(|rank| rank.0 == 1.0)), 3);
    }
}
