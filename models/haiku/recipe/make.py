"""Makes haiku.gguf from nothing: `python3 models/haiku/recipe/make.py [STAGE ...]`.

Stages, all by default: selftest tokenizer train export pack evaluate. Needs torch, tokenizers, safetensors, numpy and
gguf from PyPI, a CUDA device for `train` in useful time, and cargo for `pack` and
`evaluate`. Products go to models/haiku/build.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODEL = HERE.parent
BUILD = MODEL / "build"
ROOT = MODEL.parent.parent
TOKENIZER, WEIGHTS, WIDE = (str(BUILD / name) for name in ("tokenizer.json", "model.safetensors", "haiku-f32.gguf"))


def python(script, *arguments):
    subprocess.run([sys.executable, str(HERE / script), *arguments], check=True)


def pack():
    command = ["cargo", "xtask", "pack-model", WIDE, str(MODEL / "haiku.gguf"), "--type", "q8_0"]
    subprocess.run(command, check=True, cwd=ROOT)


def evaluate():
    subprocess.run(["cargo", "build", "--release", "-p", "worker"], check=True, cwd=ROOT)
    worker = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")) + "/release/worker-orcd"
    python("evaluate_binary.py", "--worker", worker, "--model", str(MODEL / "haiku.gguf"), "--out", str(BUILD))
    (MODEL / "evaluation.json").write_bytes((BUILD / "evaluation.json").read_bytes())
    python("report.py", str(MODEL / "evaluation.json"), str(MODEL / "EVALUATION.md"))


STAGES = {
    "selftest": lambda: python("selftest.py"),
    "tokenizer": lambda: python("bpe.py", TOKENIZER, "60000"),
    "train": lambda: python("train.py", "--tokenizer", TOKENIZER, "--out", WEIGHTS, "--workers", str(max(1, (os.cpu_count() or 2) - 1))),
    "export": lambda: python("export_gguf.py", "--weights", WEIGHTS, "--tokenizer", TOKENIZER, "--out", WIDE),
    "pack": pack,
    "evaluate": evaluate,
}

if __name__ == "__main__":
    unknown = set(sys.argv[1:]) - set(STAGES)
    if unknown:
        sys.exit(f"error: no stage {', '.join(sorted(unknown))}; there are {' '.join(STAGES)}")
    BUILD.mkdir(exist_ok=True)
    for stage in sys.argv[1:] or STAGES:
        STAGES[stage]()
