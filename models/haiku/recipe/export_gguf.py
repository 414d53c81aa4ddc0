"""Writes trained weights and vocabulary as an F32 GGUF; `cargo xtask pack-model` then makes it Q8_0.

    python3 export_gguf.py --weights model.safetensors --tokenizer tokenizer.json --out haiku-f32.gguf
"""

import argparse
import json

import gguf
import numpy as np
from safetensors.numpy import load_file

from model import Config

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def add_hyperparameters(writer, config):
    writer.add_name("haiku")
    writer.add_description("A tiny chat model that writes haiku, trained from scratch on poems of its own grammar")
    writer.add_license("MIT OR Apache-2.0")
    writer.add_languages(["en"])
    writer.add_context_length(config.context_length)
    writer.add_embedding_length(config.hidden)
    writer.add_block_count(config.n_layers)
    writer.add_feed_forward_length(config.ffn)
    writer.add_head_count(config.n_heads)
    writer.add_head_count_kv(config.n_kv_heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.rms_eps)
    writer.add_vocab_size(config.vocab)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def add_vocabulary(writer, path):
    with open(path, encoding="utf-8") as source:
        saved = json.load(source)
    ids = dict(saved["model"]["vocab"])
    special = {entry["content"]: entry["id"] for entry in saved["added_tokens"]}
    ids.update(special)
    tokens = sorted(ids, key=ids.get)
    kinds = [gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in saved["model"]["merges"]])
    writer.add_eos_token_id(special["<|im_end|>"])
    writer.add_pad_token_id(special["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    return len(tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "tokenizer", "out"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    weights = load_file(args.weights)
    writer = gguf.GGUFWriter(args.out, "qwen2")
    vocab = add_vocabulary(writer, args.tokenizer)
    add_hyperparameters(writer, Config(vocab=vocab))
    for name, value in weights.items():
        writer.add_tensor(name, np.ascontiguousarray(value, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
