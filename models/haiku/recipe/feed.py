"""Endless fresh training rows: workers write shards of 256-token rows, the trainer collects them.

A row is int16; a set sign bit marks a token whose prediction is learnt. Rows begin with a document, hold whole
documents separated by <|endoftext|>, and are filled up with it.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

import bpe
import dialogues
from grammar import seeded

ROW = 256
LEARNT = -32768


def encode(tokenizer, documents):
    """Token arrays of documents, the learnt ones flagged."""
    texts = [text for document in documents for text, _ in document]
    ids = iter(tokenizer.encode_batch(texts))
    out = []
    for document in documents:
        parts = []
        for _, learnt in document:
            part = np.array(next(ids).ids, dtype=np.int16)
            parts.append(part | LEARNT if learnt else part)
        out.append(np.concatenate(parts))
    return out


def pack(arrays, end):
    """Rows of whole documents."""
    rows, row, used = [], np.full(ROW, end, dtype=np.int16), 0
    for array in arrays:
        if len(array) > ROW:
            continue
        if used + len(array) > ROW:
            rows.append(row)
            row, used = np.full(ROW, end, dtype=np.int16), 0
        row[used : used + len(array)] = array
        used += len(array) + 1
    return np.stack(rows)


def work(folder, tokenizer_path, seed, seconds, documents=4000):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = bpe.load(tokenizer_path)
    end = tokenizer.token_to_id("<|endoftext|>")
    rng, stop, shard = seeded(seed), time.time() + seconds, 0
    while time.time() < stop:
        rows = pack(encode(tokenizer, [dialogues.document(rng) for _ in range(documents)]), end)
        hidden = Path(folder) / f".{seed}-{shard}.npy"
        np.save(hidden, rows)
        hidden.rename(hidden.with_name(f"{seed}-{shard}.npy"))
        shard += 1


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), *map(int, sys.argv[5:]))
