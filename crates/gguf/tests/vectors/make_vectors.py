"""Writes the test vectors for tests/vectors.rs with the `gguf` package of PyPI (tried: 0.19).

Run it in this folder: `pip install gguf && python make_vectors.py`. All numbers are little-endian
and all random ones seeded, so the files come out the same every time. Per type:

`dequantize/<TYPE>.bin`: `u32` count of blocks, the blocks (random ones, and ones with odd scales),
their elements as f32; then the `u64` fingerprint of the elements of 256 blocks that both sides make
by the formula in `pattern_blocks`, in which every byte of a block takes every value.

`quantize/<TYPE>.bin`: `u32` count of values, the values as f32, the blocks.
"""

import pathlib

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize

HERE = pathlib.Path(__file__).parent

# Where the f16 scales of a block stand, and how many there are.
SCALES_AT = {
    Type.Q8_0: (0, 1), Type.Q4_0: (0, 1), Type.Q4_1: (0, 2), Type.Q5_0: (0, 1), Type.Q5_1: (0, 2),
    Type.Q2_K: (80, 2), Type.Q3_K: (108, 1), Type.Q4_K: (0, 2), Type.Q5_K: (0, 2), Type.Q6_K: (208, 1),
}

# Zeros, the smallest and largest subnormals, ones, the largest numbers, infinities, quiet and
# signalling NaNs with different payloads.
ODD_HALVES = np.array(
    [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00,
     0x7C01, 0x7E00, 0xFE00, 0x7FFF],
    dtype="<u2",
)


def pattern_blocks(kind: Type) -> np.ndarray:
    """256 blocks in which byte i of block b is (b + i) mod 256, but for scales of normal size."""
    size = GGML_QUANT_SIZES[kind][1]
    b, i = np.arange(256)[:, None], np.arange(size)[None, :]
    blocks = ((b + i) % 256).astype(np.uint8)
    at, n_scales = SCALES_AT.get(kind, (0, 0))
    for scale in range(n_scales):
        halves = (0x2000 + 17 * np.arange(256) + scale).astype("<u2")
        blocks[:, at + 2 * scale : at + 2 * scale + 2] = halves.view(np.uint8).reshape(256, 2)
    return blocks


def fingerprint(values: np.ndarray) -> np.uint64:
    """FNV-1a over the bits of f32 values, a word at a time."""
    state = 0xCBF29CE484222325
    for word in values.astype("<f4").view("<u4").ravel().tolist():
        state = ((state ^ word) * 0x100000001B3) % 2**64
    return np.uint64(state)


def blocks_of(kind: Type, rng: np.random.Generator) -> np.ndarray:
    """Blocks [n, block_bytes] of random bytes; half of them with odd scales."""
    size = GGML_QUANT_SIZES[kind][1]
    if kind not in SCALES_AT:
        odd = ODD_HALVES.view(np.uint8).reshape(-1, 2) if size == 2 else np.zeros((0, 4), np.uint8)
        return np.concatenate([rng.integers(0, 256, (512, size), dtype=np.uint8), odd])
    at, n_scales = SCALES_AT[kind]
    random = rng.integers(0, 256, (16, size), dtype=np.uint8)
    odd = rng.integers(0, 256, (len(ODD_HALVES), size), dtype=np.uint8)
    for scale in range(n_scales):
        halves = np.roll(ODD_HALVES, scale * 5)
        odd[:, at + 2 * scale : at + 2 * scale + 2] = halves.view(np.uint8).reshape(-1, 2)
    return np.concatenate([random, odd])


def values_for(kind: Type, rng: np.random.Generator) -> np.ndarray:
    """Values [n] to encode: of all sizes, with ties, equal values and blocks of zeros."""
    if kind == Type.F32:
        return rng.normal(0, 1, 64).astype("<f4")
    if kind in (Type.F16, Type.BF16):
        bits = rng.integers(0, 2**32, 2048, dtype=np.uint64).astype("<u4")
        halves = np.arange(0, 0x10000, 101, dtype="<u2").view("<f2").astype("<f4")
        with np.errstate(all="ignore"):
            near = [halves, np.nextafter(halves, np.float32(0)), halves * np.float32(1 + 2**-11)]
        edges = np.array([65519.996, 65520, -65520, 65504, 2**-24, 2**-25, 2**-26, 1.5 * 2**-25,
                          np.inf, -np.inf, np.nan, 0.0, -0.0], dtype="<f4")
        return np.concatenate([bits.view("<f4"), *near, edges]).astype("<f4")
    rows = [rng.normal(0, 10.0**power, 32) for power in range(-8, 5) for _ in range(4)]
    rows += [rng.integers(-8, 9, 32) for _ in range(16)]
    rows += [rng.integers(-31, 32, 32) * 0.5 for _ in range(16)]
    rows += [np.zeros(32), np.ones(32), -np.ones(32), np.linspace(-1, 1, 32), np.linspace(3, 5, 32)]
    rows += [np.eye(1, 32, at)[0] * sign for at in (0, 15, 16, 31) for sign in (1, -1)]
    return np.concatenate(rows).astype("<f4")


def write(folder: str, kind: Type, count: int, *arrays: np.ndarray) -> None:
    path = HERE / folder / f"{kind.name}.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(np.uint32(count).tobytes() + b"".join(array.tobytes() for array in arrays))


def main() -> None:
    for kind in (Type.F32, Type.F16, Type.BF16, *SCALES_AT):
        blocks = blocks_of(kind, np.random.default_rng(int(kind) + 1))
        with np.errstate(all="ignore"):
            values = dequantize(blocks, kind).astype("<f4")
        patterns = dequantize(pattern_blocks(kind), kind)
        write("dequantize", kind, len(blocks), blocks, values, fingerprint(patterns))

    simple = (Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1)
    for kind in (Type.F32, Type.F16, Type.BF16, *simple):
        values = values_for(kind, np.random.default_rng(int(kind) + 100))
        with np.errstate(all="ignore"):
            blocks = quantize(values.reshape(-1, GGML_QUANT_SIZES[kind][0]), kind)
        write("quantize", kind, len(values), values, blocks)


if __name__ == "__main__":
    main()
