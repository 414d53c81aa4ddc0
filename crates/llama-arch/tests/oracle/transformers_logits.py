"""Logits of whole models by Hugging Face transformers, for the tests of the forward pass.

    cargo run --release -p synth-model --example write_cases -- DIR
    python transformers_logits.py DIR [-o OUT] [NAME ...]

reads DIR/manifest.tsv and every DIR/NAME.gguf, and writes OUT/NAME.logits (OUT is the folder of
this script). Needs gguf, numpy, torch and transformers. The weights are the file's, dequantised,
and the models are built from the file's own metadata: nothing is downloaded.

The model runs in double precision, except for what transformers itself always computes in single
precision: RMSNorm, softmax and the RoPE angles. Keys and values are cached unrounded. How much a
cache in half precision would change is printed beside each case, with the smallest gap between
the best and the second-best logit over all greedy steps: a case whose gap is small should get
another seed.
"""

import argparse
import pathlib
import struct

import numpy as np
import torch
import transformers
from gguf import GGUFReader
from gguf.quants import dequantize

MAGIC = b"ORCL"
VERSION = 1
N_PROMPT = 24
N_GREEDY = 64
# First, second, middle and last of the prompt, and the last token that greedy decoding consumes.
POSITIONS = (0, 1, N_PROMPT // 2, N_PROMPT - 1, N_PROMPT + N_GREEDY - 2)


class File:
    """A GGUF file: metadata by the name after the architecture, tensors in double precision."""

    def __init__(self, path, device="cpu"):
        self.device = device
        reader = GGUFReader(path)
        self.fields = {name: field.contents() for name, field in reader.fields.items()
                       if not name.startswith("tokenizer.")}
        self.arch = self.fields["general.architecture"]
        self.tensors = {}
        for tensor in reader.tensors:
            values = dequantize(tensor.data, tensor.tensor_type)
            shape = tuple(reversed([int(dim) for dim in tensor.shape]))
            values = torch.from_numpy(values.reshape(shape).copy())
            self.tensors[tensor.name] = values.to(device).double()

    def get(self, name, default=None):
        return self.fields.get(f"{self.arch}.{name}", default)

    def take(self, name):
        return self.tensors.pop(name, None)


def rope_parameters(file, rope_dims, head_dim):
    parameters = {"rope_type": "default", "rope_theta": float(file.get("rope.freq_base"))}
    if rope_dims != head_dim:
        parameters["partial_rotary_factor"] = rope_dims / head_dim
    if file.get("rope.scaling.type") == "linear":
        parameters |= {"rope_type": "linear", "factor": float(file.get("rope.scaling.factor"))}
    long, short = file.take("rope_factors_long.weight"), file.take("rope_factors_short.weight")
    if long is not None:
        parameters |= {
            "rope_type": "longrope",
            "long_factor": long.tolist(),
            "short_factor": short.tolist(),
            "attention_factor": float(file.get("rope.scaling.attn_factor")),
            "original_max_position_embeddings": file.get("rope.scaling.original_context_length"),
        }
    return parameters


def llama3_parameters(theta, dims, factors):
    """The parameters of Llama 3's scaling that give these factors: transformers then computes its
    own frequencies, which the caller compares. A file keeps only the factors, so the constants
    are those that every published model has, and the original context is searched for."""
    for original in (64, 8192):
        parameters = {
            "rope_type": "llama3", "rope_theta": theta, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": original,
        }
        config = transformers.LlamaConfig(head_dim=dims, rope_parameters=dict(parameters))
        compute = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"]
        scaled = compute(config, "cpu")[0].double()
        plain = theta ** (-torch.arange(0, dims, 2, dtype=torch.float64) / dims)
        if torch.allclose(plain / scaled, factors, rtol=1e-5, atol=0):
            return parameters
    raise SystemExit("rope_freqs.weight is not what transformers computes for Llama 3's scaling")


def build(file):
    """The transformers model of a file, in double precision."""
    hidden, n_heads = file.get("embedding_length"), file.get("attention.head_count")
    head_dim = file.get("attention.key_length", hidden // n_heads)
    rope_dims = file.get("rope.dimension_count", head_dim)
    embedding = file.tensors["token_embd.weight"]
    rope = rope_parameters(file, rope_dims, head_dim)
    factors = file.take("rope_freqs.weight")
    if factors is not None:
        rope = llama3_parameters(rope["rope_theta"], rope_dims, factors)
    settings = dict(
        vocab_size=embedding.shape[0],
        hidden_size=hidden,
        intermediate_size=file.get("feed_forward_length"),
        num_hidden_layers=file.get("block_count"),
        num_attention_heads=n_heads,
        num_key_value_heads=file.get("attention.head_count_kv"),
        max_position_embeddings=file.get("context_length"),
        rms_norm_eps=file.get("attention.layer_norm_rms_epsilon"),
        tie_word_embeddings="output.weight" not in file.tensors,
        rope_parameters=rope,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
        attn_implementation="eager",
    )
    if file.arch == "phi3":
        settings |= dict(sliding_window=file.get("attention.sliding_window"))
        if rope["rope_type"] == "longrope":
            original = rope["original_max_position_embeddings"]
            settings |= dict(original_max_position_embeddings=original)
    else:
        settings |= dict(head_dim=head_dim)
    config_class, model_class = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
        "phi3": (transformers.Phi3Config, transformers.Phi3ForCausalLM),
    }[file.arch]
    with torch.device(file.device):
        model = model_class(config_class(**settings)).double().eval()
    weights = state_dict(file, n_heads, settings["num_key_value_heads"], settings)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = ["lm_head.weight"] if settings["tie_word_embeddings"] else []
    if list(missing) != tied or unexpected or file.tensors:
        raise SystemExit(f"missing {missing}, unexpected {unexpected}, left {list(file.tensors)}")
    model.tie_weights()
    return model


def half_split(rows, n_heads):
    """Undoes the row order of `llama` files. They turn channels 2i and 2i + 1 of a head together;
    transformers turns i and i + head_dim / 2."""
    pairs = rows.reshape(n_heads, rows.shape[0] // n_heads // 2, 2, -1)
    return pairs.transpose(1, 2).reshape(rows.shape)


def state_dict(file, n_heads, n_kv_heads, settings):
    weights = {
        "model.embed_tokens.weight": file.take("token_embd.weight"),
        "model.norm.weight": file.take("output_norm.weight"),
        "lm_head.weight": file.take("output.weight"),
    }
    for layer in range(settings["num_hidden_layers"]):
        def take(name, layer=layer):
            return file.take(f"blk.{layer}.{name}")

        theirs = {
            "input_layernorm.weight": take("attn_norm.weight"),
            "post_attention_layernorm.weight": take("ffn_norm.weight"),
            "self_attn.o_proj.weight": take("attn_output.weight"),
            "self_attn.q_norm.weight": take("attn_q_norm.weight"),
            "self_attn.k_norm.weight": take("attn_k_norm.weight"),
            "mlp.down_proj.weight": take("ffn_down.weight"),
        }
        for kind in ("weight", "bias"):
            q, k, v = (take(f"attn_{part}.{kind}") for part in "qkv")
            if file.arch == "llama" and q is not None:
                q, k = half_split(q, n_heads), half_split(k, n_kv_heads)
            if file.arch == "phi3":
                theirs[f"self_attn.qkv_proj.{kind}"] = joined(take(f"attn_qkv.{kind}"), q, k, v)
            else:
                for part, rows in zip("qkv", (q, k, v)):
                    theirs[f"self_attn.{part}_proj.{kind}"] = rows
        gate, up = take("ffn_gate.weight"), take("ffn_up.weight")
        if file.arch == "phi3":
            whole = up if gate is None else None
            theirs["mlp.gate_up_proj.weight"] = joined(whole, gate, up)
        else:
            theirs |= {"mlp.gate_proj.weight": gate, "mlp.up_proj.weight": up}
        weights |= {f"model.layers.{layer}.{name}": rows for name, rows in theirs.items()}
    return {name: rows for name, rows in weights.items() if rows is not None}


def joined(whole, *parts):
    """A fused tensor, or its parts one after another."""
    return torch.cat(parts) if whole is None and parts[0] is not None else whole


class HalfCache(transformers.DynamicCache):
    """Keys and values rounded to half precision, as a runtime keeps them."""

    def update(self, keys, values, *args, **kwargs):
        return super().update(keys.half().double(), values.half().double(), *args, **kwargs)


@torch.no_grad()
def decode(model, prompt, cache):
    """Greedy tokens, and the logits of every position that they or the prompt consume."""
    rows, tokens, new = [], [], list(prompt)
    while len(tokens) < N_GREEDY:
        out = model(torch.tensor([new]), past_key_values=cache, use_cache=True)
        rows.append(out.logits[0])
        new = [int(rows[-1][-1].argmax())]
        tokens += new
    return tokens, torch.cat(rows)


def prompt_ids(seed, vocab, n=N_PROMPT):
    """Ids drawn by a 64-bit linear congruential generator from the seed of the case."""
    ids, state = [], seed
    for _ in range(n):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        ids.append((state >> 33) % vocab)
    return ids


def run(name, seed, file_hash, source, out):
    model = build(File(source))
    prompt = prompt_ids(seed, model.config.vocab_size)
    greedy, logits = decode(model, prompt, transformers.DynamicCache(config=model.config))
    best = logits[N_PROMPT - 1:].topk(2).values
    gap = float((best[:, 0] - best[:, 1]).min())
    half_greedy, half_logits = decode(model, prompt, HalfCache(config=model.config))
    same = half_greedy == greedy
    error = float(((half_logits - logits) ** 2).sum() / (logits ** 2).sum()) if same else np.nan
    chosen = logits[list(POSITIONS)].float().numpy()
    with open(out, "wb") as file:
        file.write(MAGIC + struct.pack("<IQ", VERSION, file_hash))
        file.write(struct.pack("<IIIIf", N_PROMPT, N_GREEDY, len(POSITIONS), chosen.shape[1], gap))
        for ids in (prompt, greedy, POSITIONS):
            file.write(np.asarray(ids, dtype="<u4").tobytes())
        file.write(chosen.astype("<f4").tobytes())
    print(f"{name:24} gap {gap:.4f}  deviation {float(logits.std()):.3f}  "
          f"{len(set(greedy)):2} distinct  half-precision cache: NMSE {error:.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("-o", "--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(2)
    for line in (args.cases / "manifest.tsv").read_text().splitlines():
        name, seed, file_hash = line.split("\t")
        if not args.names or name in args.names:
            source, out = args.cases / f"{name}.gguf", args.out / f"{name}.logits"
            run(name, int(seed), int(file_hash, 16), source, out)


if __name__ == "__main__":
    main()
