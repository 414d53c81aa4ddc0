//! One request: a prompt's ids in, text and timings out.

use std::time::{Duration, Instant};

use llama_arch::{Error, Finish, Generation, Sampled, SamplingParams, Session};
use tokenizer_bpe::Tokenizer;

use crate::error::{Failure, Result};
use crate::text_stream::{Piece, TextStream};

/// What to generate.
pub(crate) struct Request {
    /// The whole sequence so far.
    pub(crate) prompt: Vec<u32>,
    /// How to choose tokens.
    pub(crate) params: SamplingParams,
    /// Texts that end the output.
    pub(crate) stops: Vec<String>,
    /// Most tokens to generate.
    pub(crate) max_tokens: usize,
}

/// Why the output ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FinishReason {
    /// The model ended it.
    Stop,
    /// It has as many tokens as were asked for, or as the context holds.
    Length,
    /// A stop sequence came up.
    StopSequence,
    /// The user stopped it.
    Cancelled,
}

impl FinishReason {
    /// The name in documents and summaries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::StopSequence => "stop_sequence",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What was generated.
pub(crate) struct Outcome {
    /// The chosen tokens.
    pub(crate) tokens: Vec<Sampled>,
    /// Their text, up to a stop sequence.
    pub(crate) text: String,
    /// Why it ended.
    pub(crate) finish: FinishReason,
    /// The stop sequence that ended it.
    pub(crate) stop_sequence: Option<String>,
    /// How long it took.
    pub(crate) timings: Timings,
}

/// How long a request took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timings {
    /// Until the first token was chosen.
    pub(crate) prefill: Duration,
    /// Tokens of the prompt that were computed for that.
    pub(crate) prefill_tokens: usize,
    /// From then to the last token.
    pub(crate) decode: Duration,
    /// Tokens that were computed meanwhile.
    pub(crate) decode_tokens: usize,
}

impl Timings {
    /// Prompt tokens computed in a second.
    pub(crate) fn prefill_rate(&self) -> f64 {
        rate(self.prefill_tokens, self.prefill)
    }

    /// Tokens generated in a second, without the first, which prefill gives.
    pub(crate) fn decode_rate(&self) -> f64 {
        rate(self.decode_tokens, self.decode)
    }
}

/// Events in a second; 0 where there were none.
pub(crate) fn rate(count: usize, time: Duration) -> f64 {
    if count == 0 || time.is_zero() {
        return 0.0;
    }
    count as f64 / time.as_secs_f64()
}

/// Milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Takes text as it is made.
pub(crate) type Show<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// Runs a request, passing text on as it is made.
pub(crate) fn run(
    session: &mut Session,
    tokenizer: &Tokenizer,
    request: &Request,
    show: Show<'_>,
) -> Result<Outcome> {
    let stream = TextStream::new(tokenizer, &request.prompt, &request.stops)?;
    let mut outcome = Outcome {
        tokens: Vec::new(),
        text: String::new(),
        finish: FinishReason::Length,
        stop_sequence: None,
        timings: Timings::default(),
    };
    let started = Instant::now();
    let mut generation = match session.generate(&request.prompt, &request.params) {
        Ok(generation) => generation,
        Err(Error::Cancelled) => {
            outcome.finish = FinishReason::Cancelled;
            return Ok(outcome);
        }
        Err(error) => return Err(error.into()),
    };
    outcome.timings.prefill = started.elapsed();
    outcome.timings.prefill_tokens = request.prompt.len() - generation.reused_tokens();
    tracing::info!(
        tokens = request.prompt.len(),
        reused = generation.reused_tokens(),
        ms = millis(outcome.timings.prefill),
        tokens_per_s = outcome.timings.prefill_rate(),
        "prefill"
    );
    let started = Instant::now();
    outcome.decode(&mut generation, stream, request.max_tokens, show)?;
    outcome.timings.decode = started.elapsed();
    outcome.timings.decode_tokens = outcome.tokens.len().saturating_sub(1);
    tracing::info!(
        tokens = outcome.tokens.len(),
        ms = millis(outcome.timings.decode),
        tokens_per_s = outcome.timings.decode_rate(),
        finish_reason = outcome.finish.name(),
        "decode"
    );
    Ok(outcome)
}

impl Outcome {
    fn decode(
        &mut self,
        generation: &mut Generation<'_>,
        mut stream: TextStream<'_>,
        max_tokens: usize,
        show: Show<'_>,
    ) -> Result<()> {
        while self.tokens.len() < max_tokens {
            let token = match generation.next() {
                Some(Ok(token)) => token,
                Some(Err(Error::Cancelled)) => {
                    self.finish = FinishReason::Cancelled;
                    break;
                }
                Some(Err(error)) => return Err(error.into()),
                None => {
                    self.finish = ended(generation.finish());
                    break;
                }
            };
            let piece = stream.push(token.id)?;
            self.tokens.push(token);
            if self.take(piece, show)? {
                return Ok(());
            }
        }
        self.take(stream.finish(), show)?;
        Ok(())
    }

    /// Whether the piece ended the output.
    fn take(&mut self, piece: Piece, show: Show<'_>) -> Result<bool> {
        if !piece.text.is_empty() {
            self.text.push_str(&piece.text);
            show(&piece.text)?;
        }
        let stopped = piece.stop.is_some();
        if stopped {
            self.finish = FinishReason::StopSequence;
            self.stop_sequence = piece.stop;
        }
        Ok(stopped)
    }

    /// Success, unless the user stopped it.
    pub(crate) fn result(&self) -> Result<()> {
        match self.finish {
            FinishReason::Cancelled => Err(Failure::Interrupted),
            _ => Ok(()),
        }
    }
}

fn ended(finish: Option<Finish>) -> FinishReason {
    match finish {
        Some(Finish::ContextFull) => {
            tracing::warn!("the context is full; --context-length sets its size");
            FinishReason::Length
        }
        Some(Finish::StopToken(_)) | None => FinishReason::Stop,
    }
}
