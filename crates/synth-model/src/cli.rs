//! The command line: one model file per call.

use std::path::PathBuf;

use gguf::{GgufFile, TensorType};

use crate::error::{Error, Result};
use crate::spec::{Arch, ModelSpec};
use crate::types::WeightTypes;
use crate::write::write_to_file;

pub(crate) const USAGE: &str = "\
usage: synth-model --preset PRESET -o FILE [--type TYPE] [--seed N] [--vocab FILE] [--untied]
  PRESET  qwen2.5-0.5b, phi3-mini-4k, tiny-llama, tiny-qwen2, tiny-qwen3 or tiny-phi3
  TYPE    f32, f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k .. q6_k for every weight matrix,
          or the mix q4_k_m; without it, the preset's own
  --vocab FILE  a GGUF file whose tokenizer is copied; without it, a small byte-level one
  --untied      a separate output matrix even where the preset has none";

/// Makes the model file that the arguments (without the program's name) describe. Returns a line
/// that says what was written, or the usage for `--help`.
///
/// # Errors
/// Arguments that make no sense, with the usage, or a model that cannot be made.
pub fn run_cli(args: impl IntoIterator<Item = String>) -> Result<String> {
    let args: Vec<String> = args.into_iter().collect();
    if args.iter().any(|arg| arg == "--help") {
        return Ok(USAGE.to_owned());
    }
    let options = Options::parse(args.into_iter())?;
    let mut spec = options.spec;
    if let Some(name) = &options.type_name {
        spec.types = types(name, &spec)?;
    }
    let vocab = options.vocab.map(GgufFile::open).transpose()?;
    let n_bytes = write_to_file(&spec, options.seed, vocab.as_ref(), &options.out)?;
    Ok(format!(
        "{}: {n_bytes} bytes, seed {}",
        options.out.display(),
        options.seed
    ))
}

struct Options {
    spec: ModelSpec,
    type_name: Option<String>,
    seed: u64,
    vocab: Option<PathBuf>,
    out: PathBuf,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let (mut spec, mut type_name, mut vocab, mut out) = (None, None, None, None);
        let (mut seed, mut untied) = (1, false);
        while let Some(flag) = args.next() {
            let mut value = || {
                args.next()
                    .ok_or_else(|| Error::usage(format!("{flag} needs a value")))
            };
            match flag.as_str() {
                "--preset" => spec = Some(preset(&value()?)?),
                "--type" => type_name = Some(value()?),
                "--vocab" => vocab = Some(PathBuf::from(value()?)),
                "-o" => out = Some(PathBuf::from(value()?)),
                "--untied" => untied = true,
                "--seed" => {
                    let text = value()?;
                    seed = text
                        .parse()
                        .map_err(|_| Error::usage(format!("no seed: {text}")))?;
                }
                _ => return Err(Error::usage(format!("unknown argument {flag}"))),
            }
        }
        let mut spec = spec.ok_or_else(|| Error::usage("--preset is missing"))?;
        spec.tied &= !untied;
        let out = out.ok_or_else(|| Error::usage("-o is missing"))?;
        Ok(Self {
            spec,
            type_name,
            seed,
            vocab,
            out,
        })
    }
}

fn preset(name: &str) -> Result<ModelSpec> {
    match name {
        "qwen2.5-0.5b" => Ok(ModelSpec::qwen2_5_0_5b()),
        "phi3-mini-4k" => Ok(ModelSpec::phi3_mini_4k()),
        _ => Arch::ALL
            .into_iter()
            .find(|arch| name.strip_prefix("tiny-") == Some(arch.name()))
            .map(ModelSpec::tiny)
            .ok_or_else(|| Error::usage(format!("unknown preset {name}"))),
    }
}

fn types(name: &str, spec: &ModelSpec) -> Result<WeightTypes> {
    if name.eq_ignore_ascii_case("q4_k_m") {
        return Ok(WeightTypes::q4_k_m(spec));
    }
    TensorType::ALL
        .iter()
        .find(|tensor_type| tensor_type.name().eq_ignore_ascii_case(name))
        .map(|&tensor_type| WeightTypes::uniform(tensor_type))
        .ok_or_else(|| Error::usage(format!("unknown type {name}")))
}
