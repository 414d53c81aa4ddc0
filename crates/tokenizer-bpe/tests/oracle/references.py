"""Reference tokenizers made of the vocabulary inside a GGUF file.

Byte-level BPE is HF `tokenizers` with the pre-tokenizer of the model's published tokenizer.json,
SentencePiece-style BPE is the library `sentencepiece` itself.
"""
import pathlib
import re

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as model_format
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


NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


class Vocabulary:
    """What a file says of its tokens."""

    def __init__(self, path):
        self.path, self.name = path, pathlib.Path(path).stem
        fields = gguf.GGUFReader(path).fields

        def field(name):
            found = fields.get("tokenizer.ggml." + name)
            return None if found is None else found.contents()
        self.model, self.pre = field("model"), field("pre")
        self.tokens, self.types = field("tokens"), field("token_type")
        self.merges, self.scores = field("merges"), field("scores")

    def ids(self, *types):
        return [id for id, kind in enumerate(self.types) if kind in types]


class ByteLevelReference:
    """HF `tokenizers`."""

    name = "tokenizers"
    has_control_text = True

    def __init__(self, vocabulary):
        tokens, pre = vocabulary.tokens, vocabulary.pre
        merges = [tuple(merge.split(" ")) for merge in vocabulary.merges]
        numbered = {token: id for id, token in enumerate(tokens)}
        model = models.BPE(numbered, merges, ignore_merges=pre in ("llama-bpe", "tekken"))
        self.tokenizer = Tokenizer(model)
        self.tokenizer.pre_tokenizer = pre_tokenizer(pre)
        self.tokenizer.decoder = decoders.ByteLevel()
        # User-defined tokens are found in any text.
        self.tokenizer.add_tokens([AddedToken(tokens[id], normalized=False) for id in vocabulary.ids(USER_DEFINED)])
        control = [AddedToken(tokens[id], normalized=False, special=True) for id in vocabulary.ids(CONTROL)]
        self.tokenizer.add_special_tokens(control)
        assert self.tokenizer.get_vocab_size() == len(tokens), "an added token has another id"
        self.byte_ids = {byte: numbered.get(char) for byte, char in bytes_to_unicode().items()}

    def encode(self, texts, parse):
        self.tokenizer.encode_special_tokens = not parse
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def decode(self, lists):
        """With control tokens and without."""
        return [list(texts) for texts in zip(self.tokenizer.decode_batch(lists, skip_special_tokens=False),
                                             self.tokenizer.decode_batch(lists, skip_special_tokens=True))]


class SentencePieceReference:
    """The library `sentencepiece`, which neither finds control tokens in text nor writes them."""

    name = "sentencepiece"
    has_control_text = False

    def __init__(self, vocabulary):
        # The library takes one unknown token, and Phi-3's file has more, or none; it lists `</s>` as user-defined,
        # which would let any text end the answer. All these are never made of text.
        kinds = [kind if kind in (NORMAL, BYTE) else CONTROL for kind in vocabulary.types]
        kinds[vocabulary.tokens.index("<unk>")] = UNKNOWN
        model = model_format.ModelProto()
        for token, score, kind in zip(vocabulary.tokens, vocabulary.scores, kinds):
            model.pieces.add(piece=token, score=score, type=kind)
        model.trainer_spec.model_type = model.trainer_spec.BPE
        model.trainer_spec.byte_fallback = True
        model.trainer_spec.vocab_size = len(vocabulary.tokens)
        model.normalizer_spec.name = "identity"
        model.normalizer_spec.add_dummy_prefix = True
        model.normalizer_spec.escape_whitespaces = True
        model.normalizer_spec.remove_extra_whitespaces = False
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        self.byte_ids = {int(vocabulary.tokens[id][3:5], 16): id for id in vocabulary.ids(BYTE)}

    def encode(self, texts, parse):
        assert not parse
        return self.processor.encode(texts)

    def decode(self, lists):
        return [[None, text] for text in self.processor.decode(lists)]


def reference(vocabulary):
    return (ByteLevelReference if vocabulary.model == "gpt2" else SentencePieceReference)(vocabulary)
