"""The types that llama-quantize chooses, for the models of `src/quantize/recipe.rs`'s test.

Packages: none. Usage: make_types.py LLAMA_QUANTIZE FOLDER > types.txt, where FOLDER holds the models
as NAME.gguf: `WRITE_RULE_MODELS=FOLDER cargo test -p worker recipe` writes them.
"""

import itertools
import pathlib
import re
import subprocess
import sys

TYPES = "F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q5_K_S Q5_1 Q5_0 Q4_K_M Q4_K_S Q4_1 Q4_0 Q3_K_L Q3_K_M Q3_K_S Q2_K"
LINE = re.compile(r"\] (\S+) +- \[[^]]*\], type = +(\S+), size = .*?MiB(?: .*\((\S+)\))?$", re.M)


def short(name):
    return re.sub(r"^blk\.\d+\.", "", name.removesuffix(".weight"))


def runs(types):
    groups = [(name, len(list(group))) for name, group in itertools.groupby(types)]
    return " ".join(f"{name}*{count}" if count > 1 else name for name, count in groups)


quantize, folder = sys.argv[1], pathlib.Path(sys.argv[2])
for model in sorted(folder.glob("*.gguf")):
    for to in TYPES.split():
        command = [quantize, "--dry-run", str(model), "out.gguf", to]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        log = ran.stdout + ran.stderr
        chosen = {}
        for name, before, after in LINE.findall(log):
            chosen[name] = (after or before).upper()
        roles = {}
        layer = lambda name: int((re.match(r"blk\.(\d+)", name) or [0, -1])[1])
        for name in sorted(chosen, key=layer):
            if name.endswith(".weight") and "norm" not in name:
                roles.setdefault(short(name), []).append(chosen[name])
        for role in sorted(roles):
            print(model.stem, to, role, runs(roles[role]))
