"""Logits of a model of full size by Hugging Face transformers, on a GPU.

    python full_shape_logits.py MODEL.gguf [-o MODEL.logits] [--device cuda]

for `cargo run --release -p llama-arch --example full_shape -- MODEL.gguf MODEL.logits`. The ids are
random, the same for every model of one vocabulary size: 2000 of a prompt and 64 that follow it.
Kept are the logits after the prompt's first 1, 17, 512 and 2000 ids and after the last of the 64.

The model is that of `transformers_logits.py`, in double precision with its exceptions, and the file
has the same format, but for the hash, which is of the model file's end and length. Needs gguf,
numpy, torch and transformers; Phi-3-mini takes some 80 GB of the GPU's memory.
"""

import argparse
import pathlib
import struct
import time

import numpy as np
import torch

from transformers_logits import MAGIC, VERSION, File, build, prompt_ids

SEED = 1
N_PROMPT = 2000
N_NEXT = 64
POSITIONS = (0, 16, 511, N_PROMPT - 1, N_PROMPT + N_NEXT - 1)
HASHED = 65536


def fnv1a(data):
    state = 0xCBF29CE484222325
    for byte in data:
        state = (state ^ byte) * 0x100000001B3 % 2**64
    return state


def file_hash(path):
    """FNV-1a of the last bytes of a file and its length."""
    with open(path, "rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - HASHED))
        return fnv1a(file.read() + struct.pack("<Q", length))


@torch.no_grad()
def logits(model, ids, device):
    hidden = model.model(input_ids=torch.tensor([ids], device=device)).last_hidden_state[0]
    return model.lm_head(hidden[list(POSITIONS)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("-o", "--out", type=pathlib.Path)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    started = time.time()
    model = build(File(args.model, args.device))
    loaded = time.time()
    ids = prompt_ids(SEED, model.config.vocab_size, N_PROMPT + N_NEXT)
    rows = logits(model, ids, args.device)
    best = rows.topk(2).values
    gap = float((best[:, 0] - best[:, 1]).min())
    kept = rows.cpu().numpy().astype("<f4")
    with open(args.out or args.model.with_suffix(".logits"), "wb") as file:
        file.write(MAGIC + struct.pack("<IQ", VERSION, file_hash(args.model)))
        file.write(struct.pack("<IIIIf", N_PROMPT, N_NEXT, len(POSITIONS), kept.shape[1], gap))
        file.write(np.asarray(ids + list(POSITIONS), dtype="<u4").tobytes())
        file.write(kept.tobytes())
    print(f"{args.model.name}: gap {gap:.4f}, deviation {float(rows.std()):.3f}, "
          f"loaded in {loaded - started:.1f} s, computed in {time.time() - loaded:.1f} s", flush=True)


if __name__ == "__main__":
    main()
