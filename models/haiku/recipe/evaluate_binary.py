"""Puts the same questions to the finished file, through the project's own binary.

    python3 evaluate_binary.py --worker target/release/worker-orcd --model haiku.gguf --out FOLDER [--limit N]
"""

import argparse
import subprocess

from cases import report_on, save


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("worker", "model", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--limit", type=int, default=0, help="prompts a set, all by default")
    args = parser.parse_args()

    def answer(prompts, temperature, seed, raw):
        texts = []
        for number, prompt in enumerate(prompts):
            command = [args.worker, "generate", "--model", args.model, "--device", args.device, "--max-tokens", "64",
                       "--temperature", str(temperature), "--seed", str(1000 * seed + number), "--prompt", prompt]
            done = subprocess.run(command + ["--raw"] * raw, capture_output=True, text=True, check=True)
            texts.append(done.stdout.removesuffix("\n"))
        return texts

    save(args.out, *report_on(answer, args.limit))


if __name__ == "__main__":
    main()
