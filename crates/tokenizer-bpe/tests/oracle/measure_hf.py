"""Measures this crate and HF `tokenizers` in turn, each on one thread, over the same mixed text.

    python crates/tokenizer-bpe/tests/oracle/measure_hf.py VOCABULARY.gguf [--runs N]

The text is half code and English (the standard library of this Python), half prose of 25 languages (faker),
shuffled by paragraph and cut into documents of 4 KiB. Opening is measured on a file with the vocabulary and 300
tensors. Medians stand below the runs. Needs the packages faker, gguf, protobuf, sentencepiece and tokenizers.
"""
import argparse
import importlib.metadata
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import faker
import gguf
import numpy

import references
from compare_hf import build

LANGUAGES = ("en_US de_DE fr_FR es_ES it_IT pl_PL cs_CZ pt_BR ru_RU uk_UA el_GR he_IL ar_AA fa_IR th_TH ja_JP zh_CN "
             "zh_TW ko_KR hy_AM ka_GE bn_BD hi_IN vi_VN tr_TR").split()
BYTES = 8_000_000
DOCUMENT_BYTES = 4096
TENSORS = 300


def prose(n_bytes):
    for language in LANGUAGES:
        fake, left = faker.Faker(language), n_bytes // len(LANGUAGES)
        fake.seed_instance(1)
        while left > 0:
            yield f"{fake.paragraph(nb_sentences=8)} {fake.name()}, {fake.address()}\n"
            left -= DOCUMENT_BYTES // 8


def code(n_bytes, rng):
    sources = sorted(pathlib.Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    pieces = [piece + "\n\n" for path in sources for piece in path.read_text(errors="replace").split("\n\n")]
    rng.shuffle(pieces)
    for piece in pieces:
        if n_bytes > 0:
            yield piece
            n_bytes -= len(piece.encode())


def documents():
    rng = random.Random(1)
    pieces = [*code(BYTES // 2, rng), *prose(BYTES // 2)]
    rng.shuffle(pieces)
    found, document = [], ""
    for piece in pieces:
        document += piece.replace("\0", "")
        if len(document.encode()) >= DOCUMENT_BYTES:
            found.append(document)
            document = ""
    return found


def model_file(vocabulary, path):
    """The vocabulary with tensors beside it."""
    reader = gguf.GGUFReader(vocabulary)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[0]
            writer.add_key_value(name, field.contents(), kind, field.types[-1] if len(field.types) > 1 else None)
    for at in range(TENSORS):
        writer.add_tensor(f"blk.{at // 12}.part_{at % 12}.weight", numpy.zeros((64, 896), dtype=numpy.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def timed(work):
    """What `work` gives, and the seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vocabulary")
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    reference = references.reference(references.Vocabulary(arguments.vocabulary))
    hf, texts = reference.tokenizer, documents()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"tokenizers {importlib.metadata.version('tokenizers')}, Python {sys.version.split()[0]}; "
          f"{len(texts)} documents, {megabytes:.2f} MB")
    with tempfile.TemporaryDirectory() as folder:
        corpus, model = f"{folder}/texts", f"{folder}/model.gguf"
        pathlib.Path(corpus).write_bytes("\0".join(texts).encode())
        model_file(arguments.vocabulary, model)
        rows, program = [], build("measure")
        hf.encode_batch_fast(texts, add_special_tokens=False)  # Fills its cache of words.
        for _ in range(arguments.runs):
            output = subprocess.run([program, model, corpus], stdout=subprocess.PIPE, check=True, text=True).stdout
            encoded, encode = timed(lambda: hf.encode_batch_fast(texts, add_special_tokens=False))
            ids = [encoding.ids for encoding in encoded]
            n_ids = sum(map(len, ids))
            _, decode = timed(lambda: hf.decode_batch(ids))
            for expected in ("same texts: true", f"{TENSORS} tensors", f" {n_ids} ids"):
                assert expected in output, (expected, output)
            ours = [float(number) for number in re.findall(r"(?:open|included|encode|decode) +([\d.]+)", output)]
            rows.append([*ours, megabytes / encode, megabytes / decode])
            print("| " + " | ".join(f"{value:.1f}" for value in rows[-1]) + " |", flush=True)
    median = [statistics.median(column) for column in zip(*rows)]
    print("| " + " | ".join(f"**{value:.1f}**" for value in median) + " |")
    print(f"{n_ids} ids; encode {median[2] / median[4]:.2f} times HF, decode {median[3] / median[5]:.2f} times")


main()
