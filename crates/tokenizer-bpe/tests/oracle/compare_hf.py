"""Compares `encode_lines` with HF `tokenizers` (byte-level BPE) and plain SentencePiece-style BPE.

    cargo build --release -p tokenizer-bpe --example encode_lines
    python compare_hf.py ENCODE_LINES [--texts N] VOCABULARY.gguf ...

The reference for byte-level BPE is built from the vocabulary and the merges inside the GGUF with the
pre-tokenizer of the model's published tokenizer.json. Exit status 1 if any text differs.
"""
import argparse
import pathlib
import random
import re
import subprocess
import sys

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
HERE = pathlib.Path(__file__).parent
RANGE = re.compile(r"\(0x([0-9a-f]+), 0x([0-9a-f]+)\)")
# The published pattern lists these ranges literally; they stand once, in the crate's table.
LETTERS = "".join(rf"\x{{{first}}}-\x{{{last}}}" for first, last in
                  RANGE.findall((HERE / "../../src/pretokenize/deepseek.rs").read_text()))


def isolated(*patterns):
    return [Split(Regex(pattern), "isolated") for pattern in patterns]


def pre_tokenizer(name):
    plain = ByteLevel(add_prefix_space=False, use_regex=False)
    gpt2 = ByteLevel(add_prefix_space=False, use_regex=True)
    stages = {
        "qwen2": [*isolated(CL100K % ""), plain],
        "llama-bpe": [*isolated(CL100K % "{1,3}"), plain],
        "gpt-2": [gpt2],
        "smollm": [Digits(individual_digits=True), gpt2],
        "tekken": [*isolated(TEKKEN), plain],
        "deepseek-llm": [*isolated(r"[\r\n]", rf"\s?[{LETTERS}]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
                                   r"\s+$", "[一-龥ࠀ-一가-\ud7ff]+"),
                         Digits(individual_digits=True), plain],
        "deepseek-coder": [*isolated(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-\ud7ff]+"),
                           Digits(individual_digits=True), plain],
    }
    for alias in ("starcoder", "refact", "command-r"):
        stages[alias] = stages["smollm"]
    return Sequence(stages[name])


def bytes_to_unicode():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable},
            **{byte: chr(0x100 + i) for i, byte in enumerate(others)}}


def field(reader, name, default=None):
    found = reader.fields.get("tokenizer.ggml." + name)
    return default if found is None else found.contents()


def hf_reference(reader, pre):
    tokens, types = field(reader, "tokens"), field(reader, "token_type")
    # HF numbers added tokens from the end of the model's own, so those must have no gaps.
    own = [id for id, kind in enumerate(types) if kind != 4]
    vocab = {tokens[id]: number for number, id in enumerate(own)}
    merges = [tuple(merge.split(" ")) for merge in field(reader, "merges")]
    model = models.BPE(vocab, merges, ignore_merges=pre in ("llama-bpe", "tekken"))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer(pre)
    tokenizer.decoder = decoders.ByteLevel()
    # User-defined tokens are found in any text.
    added = [id for id, kind in enumerate(types) if kind == 4]
    tokenizer.add_tokens([AddedToken(tokens[id], normalized=False) for id in added])
    ids = dict(enumerate(own)) | {tokenizer.token_to_id(tokens[id]): id for id in added}

    def encode(texts):
        batches = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [[ids[id] for id in batch.ids] for batch in batches]
    return encode


def sentencepiece_reference(reader):
    """A plain transcription of SentencePiece's BPE, quadratic and simple."""
    tokens, types, scores = (field(reader, name) for name in ("tokens", "token_type", "scores"))
    score = {}
    for token, kind, value in zip(tokens, types, scores):
        if kind == 1:
            score.setdefault(token, value)
    id_of = {}
    for id, (token, kind) in enumerate(zip(tokens, types)):
        if kind in (1, 6):
            id_of.setdefault(token, id)

    def encode_one(text):
        if not text:
            return []
        parts = list("▁" + text.replace(" ", "▁"))
        while len(parts) > 1:
            best, at = None, None
            for i in range(len(parts) - 1):
                value = score.get(parts[i] + parts[i + 1])
                if value is not None and (best is None or value > best):
                    best, at = value, i
            if at is None:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        ids = []
        for part in parts:
            if part in score:
                ids.append(id_of[part])
            else:
                ids += [id_of[f"<0x{byte:02X}>"] for byte in part.encode()]
        return ids
    return lambda texts: [encode_one(text) for text in texts]


RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0xA0, 0x24F), (0x370, 0x52F), (0x530, 0x6FF), (0x900, 0xDFF),
          (0xE00, 0x11FF), (0x1780, 0x18AF), (0x1E00, 0x20FF), (0x2100, 0x2BFF), (0x3000, 0x30FF),
          (0x4E00, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFD), (0x10000, 0x1057F),
          (0x1D400, 0x1D7FF), (0x1E900, 0x1EEFF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE01EF)]
SNIPPETS = ["'s", "'S", "'re", "'LL", "'ve", "'m", "'d", "'T", "'ſ", "’s", "I'm", "we'Ve", " ", "  ", "   ",
            "    ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\u00a0", "\u3000", "\u200b", "\u2028", "\x0b",
            "\x85", "1", "12", "123", "1234", "3.14", "½", "Ⅳ", "٣٤", "Hello", "World", " hello", "HTTPServer",
            "camelCase", "snake_case", "def f(x):\n    return x\n", "for(int i=0;i<n;++i){\n", "==", "!=", "->",
            "//", "/*", "*/", "...", "!!!", "?", "。", "，", "你好", "こんにちは", "안녕하세요", "нещо", "Ελληνικά", "שלום",
            "مرحبا", "हिन्दी", "ไทย", "កាន់", "e\u0301", "\u0301", "ʰ", "ǅ", "🦙", "😶\u200d🌫️", "👨\u200d👩\u200d👧",
            "🇩🇪", "✅", "▁", "Ġ", "Ċ", "<0x0A>", "ø", "\ufeff", "\ufffd", "\x00"[:0], "\x01", "\x7f", "$", "+", "<",
            "|", "`", "~", "^", "=", "http://a.b/c?d=e&f", "\\n", "{\"a\": [1, 2]}", "<b>", "</b>", "#", "@x"]


def texts(count, seed):
    rng = random.Random(seed)
    out = []
    for point in range(1, 0x110000):
        if not 0xD800 <= point <= 0xDFFF:
            out += [chr(point), "x" + chr(point)]
    rng.shuffle(out)
    # Single code points in words of sixteen: as strong, and the references are slow on short texts.
    singles = ["\n".join(out[i:i + 16]) for i in range(0, len(out), 16)]
    made = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 12)):
            if rng.random() < 0.5:
                parts.append(rng.choice(SNIPPETS))
            else:
                low, high = rng.choice(RANGES)
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
        made.append("".join(parts).replace("\0", ""))
    return singles + made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("encode_lines")
    parser.add_argument("vocabulary", nargs="+")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    all_texts = texts(arguments.texts, arguments.seed)
    failed = False
    for path in arguments.vocabulary:
        reader = gguf.GGUFReader(path)
        corpus = all_texts
        if field(reader, "model") == "gpt2":
            # Where a byte has no token HF drops it without a word; ours is an error.
            known = set("".join(field(reader, "tokens")))
            missing = {byte for byte, char in bytes_to_unicode().items() if char not in known}
            corpus = [text for text in all_texts if missing.isdisjoint(text.encode())]
            if len(corpus) < len(all_texts):
                print(f"left out {len(all_texts) - len(corpus)} texts with bytes that have no token")
        if field(reader, "model") == "gpt2":
            reference = hf_reference(reader, field(reader, "pre"))
        else:
            reference = sentencepiece_reference(reader)
        want = reference(corpus)
        run = subprocess.run([arguments.encode_lines, path], input="\0".join(corpus).encode(),
                             stdout=subprocess.PIPE, check=True)
        got = [[int(id) for id in line.split()] for line in run.stdout.decode().split("\n")[:-1]]
        assert len(got) == len(want)
        wrong = [i for i in range(len(corpus)) if got[i] != want[i]]
        print(f"{path.split('/')[-1]}: {len(corpus)} texts, {sum(map(len, want))} ids, {len(wrong)} differ")
        for i in wrong[:5]:
            print("   ", ascii(corpus[i])[:400], "\n      want", want[i][:60], "\n      got ", got[i][:60])
        failed |= bool(wrong)
    sys.exit(failed)


main()
