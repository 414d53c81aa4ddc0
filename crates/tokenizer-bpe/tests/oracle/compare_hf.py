"""Compares this crate with HF `tokenizers` and `sentencepiece`, text by text and token by token.

    python crates/tokenizer-bpe/tests/oracle/compare_hf.py VOCABULARY.gguf ...

Builds the example `tokenize_lines` and gives it, for each vocabulary, every code point alone and after a
letter, random texts, random bytes and random tokens. RECORD.md says what came of it. Exit status 1 if anything
differs. Needs the packages gguf, protobuf, sentencepiece and tokenizers.
"""
import argparse
import collections
import importlib.metadata
import itertools
import json
import pathlib
import subprocess
import sys

import references
import texts as generated
from references import CONTROL, NORMAL, USER_DEFINED

ROOT = pathlib.Path(__file__).parents[4]
BATCH = 20_000


def build(example):
    """The path of the program that the example is."""
    lines = subprocess.run(["cargo", "build", "--release", "--package", "tokenizer-bpe", "--example", example,
                            "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    executables = [message.get("executable") for message in map(json.loads, lines)]
    return next(path for path in executables if path and path.endswith(example))


class Comparison:
    """One vocabulary: how many were compared of each kind, and what differed."""

    def __init__(self, program, path):
        self.program, self.vocabulary = program, references.Vocabulary(path)
        self.reference = references.reference(self.vocabulary)
        self.compared, self.different = collections.Counter(), collections.Counter()

    def ours(self, lines, *flags):
        lines = "".join(json.dumps(line) + "\n" for line in lines)
        run = subprocess.run([self.program, self.vocabulary.path, *flags], input=lines.encode(), stdout=subprocess.PIPE,
                             check=True)
        return [json.loads(line) for line in run.stdout.splitlines()]

    def equal(self, kind, inputs, want, got):
        assert len(inputs) == len(want) == len(got)
        self.compared[kind] += len(inputs)
        for one, theirs, mine in zip(inputs, want, got):
            if theirs != mine:
                self.different[kind] += 1
                if self.different[kind] <= 5:
                    print(f"{self.vocabulary.name}, {kind}: {ascii(one)[:300]}\n  want {ascii(theirs)[:300]}\n"
                          f"  got  {ascii(mine)[:300]}")

    def texts(self, kind, batch):
        """Texts to ids, with their control tokens as text and as tokens, and back."""
        ids = self.ours(batch)
        self.equal(kind, batch, self.reference.encode(batch, parse=False), ids)
        if self.reference.has_control_text:
            controls = [text for text in batch if "<" in text]
            parsed = self.ours(controls, "--parse")
            self.equal(f"{kind} with control tokens", controls, self.reference.encode(controls, parse=True), parsed)
            ids += parsed
        self.ids(f"{kind} decoded", ids)

    def ids(self, kind, lists):
        """Ids to text, with control tokens written and left out where the reference knows both."""
        want, got = self.reference.decode(lists), self.ours(lists)
        got = [[text if known is not None else None for text, known in zip(*pair)] for pair in zip(got, want)]
        self.equal(kind, lists, want, got)

    def bytes(self, batch):
        """Bytes as byte tokens to text, as Unicode replaces ill-formed bytes; then that text there and back."""
        lists = [[self.reference.byte_ids[byte] for byte in data] for data in batch]
        want = [data.decode(errors="replace") for data in batch]
        self.equal("bytes decoded", batch, want, [text for text, _ in self.ours(lists)])
        self.texts("texts of bytes", want)
        ours = self.ours(self.ours(want))
        spaced = [text.replace("▁", " ") if self.vocabulary.scores else text for text in want]
        self.equal("texts of bytes there and back", batch, spaced, [text for text, _ in ours])

    def random_ids(self, generator, count):
        # `sentencepiece` has no control tokens in text, and writes ill-formed bytes in its own way.
        kinds = [NORMAL, CONTROL, USER_DEFINED] if self.reference.has_control_text else [NORMAL]
        self.ids("random tokens decoded", list(generator.id_lists(count, self.vocabulary.ids(*kinds))))

    def report(self):
        print(f"{self.vocabulary.name}, against {self.reference.name}:")
        for kind, count in self.compared.items():
            print(f"  {kind}: {count:,} compared, {self.different[kind]:,} differ")
        print(f"  all: {self.compared.total():,} compared, {self.different.total():,} differ", flush=True)


def batches(items):
    items = iter(items)
    return iter(lambda: list(itertools.islice(items, BATCH)), [])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocabulary", nargs="+")
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=100_000)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--no-code-points", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for package in ("tokenizers", "sentencepiece", "gguf"):
        print(package, importlib.metadata.version(package), end="; ")
    print(f"Python {sys.version.split()[0]}; {arguments}", flush=True)
    program = build("tokenize_lines")
    failed = False
    for path in arguments.vocabulary:
        comparison, generator = Comparison(program, path), generated.Generator(arguments.seed)
        if not arguments.no_code_points:
            for batch in batches(generated.code_points()):
                comparison.texts("code points", batch)
        for batch in batches(generator.texts(arguments.texts)):
            comparison.texts("texts", batch)
        for batch in batches(generator.byte_strings(arguments.bytes)):
            comparison.bytes(batch)
        comparison.random_ids(generator, arguments.tokens)
        comparison.report()
        failed |= bool(comparison.different)
    sys.exit(failed)


if __name__ == "__main__":
    main()
