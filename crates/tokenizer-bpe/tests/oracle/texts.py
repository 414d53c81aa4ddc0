"""Texts to tokenise: every code point, and random texts of every kind that tokenizers stumble over."""
import random
import unicodedata

CONTRACTIONS = ["'s", "'S", "'re", "'RE", "'LL", "'ll", "'ve", "'Ve", "'m", "'M", "'d", "'D", "'t", "'T", "'ſ", "’s", "'",
                "I'm", "we'Ve", "don't", "y'all'd've", "o'clock", "''s", "'sx", "'lL"]
CODE = ["def f(x):\n    return x\n", "for(int i=0;i<n;++i){\n", "\tif (a != b) {\r\n", "    }\n}\n\n", "==", "!=", "->", "=>",
        "//", "/*", "*/", "# x", "http://a.b/c?d=e&f", "\\n", "{\"a\": [1, 2.5e-3]}", "<b>", "</b>", "@x", "a_b", "aB",
        "HTTPServer", "x[i][j]", "fn main() -> Result<(), E> {", "SELECT * FROM t WHERE a='b';", "0x1F", "1_000", "++", "::",
        "&mut ", "$HOME", "%d", "^", "`x`", "~", "|", "...", "!!!", "/", "\n/", "//\n"]
WORDS = ["Hello", "World", " hello", "the", " of", "HTTP", "Straße", "naïve", "你好", "こんにちは", "안녕하세요", "нещо",
         "Ελληνικά", "שלום", "مرحبا", "हिन्दी", "ไทย", "កាន់", "தமிழ்", "ქართული", "Հայերեն", "አማርኛ", "ᏣᎳᎩ", "བོད",
         "မြန်မာ", "e\u0301", "ʰ", "ǅ", "ﬁ", "İ", "ß", "ſ", "Ⅳ", "½", "٣٤", "。", "，", "▁", "Ġ", "Ċ", "<0x0A>", "ø",
         "\ufeff", "\ufffd"]
# The text of control tokens is text like any other unless it is asked to be more.
SPECIALS = ["<s>", "</s>", "<unk>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin_of_text|>", "<|eot_id|>",
            "<|user|>", "<|end|>", "<|assistant|>", "<|im_start|", "<|", "|>", "<|im_<|im_end|>", "[PAD151646]"]
SPACES = [" ", " ", " ", "\t", "\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u1680", "\u2003", "\u200b",
          "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\u180e"]
CONTROLS = [chr(point) for point in [*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x200C, 0x200D, 0x200E, 0x202E, 0x2060,
                                     0xFFF9, 0xE0001]]
EMOJI = [chr(point) for first, last in [(0x1F300, 0x1F64F), (0x1F680, 0x1F6FF), (0x1F900, 0x1FAFF), (0x2600, 0x27BF)]
         for point in range(first, last + 1)]
SKIN_TONES = [chr(point) for point in range(0x1F3FB, 0x1F400)]
FLAGS = [chr(point) for point in range(0x1F1E6, 0x1F200)]


def scalars():
    return (chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF)


def code_points():
    """Every code point alone and after a letter."""
    for char in scalars():
        yield char
        yield "x" + char


def blocks():
    """Stretches of 64 code points with a letter, mark, number, punctuation or symbol among them."""
    starts = {ord(char) // 64 * 64 for char in scalars() if unicodedata.category(char)[0] in "LMNPS"}
    ideographs = {start for start in starts if 0x3400 <= start < 0xA000 or 0xAC00 <= start < 0xD7C0 or start >= 0x17000}
    return sorted(starts - ideographs), sorted(ideographs)


class Generator:
    """Random texts, the same for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.scripts, self.ideographs = blocks()
        self.kinds = [self.script, self.script, self.ascii, self.spaces, self.controls, self.digits, self.emoji,
                      self.listed(CONTRACTIONS), self.listed(CODE), self.listed(WORDS), self.listed(SPECIALS)]

    def texts(self, count):
        """Texts of one to twelve pieces, one in four of a single kind."""
        for _ in range(count):
            kinds = self.kinds if self.random.random() < 0.75 else [self.random.choice(self.kinds)]
            pieces = self.random.randint(1, 12)
            yield "".join(self.random.choice(kinds)() for _ in range(pieces))

    def byte_strings(self, count):
        """Random bytes, and well-formed text with some of its bytes changed."""
        for at in range(count):
            if at % 2:
                yield self.random.randbytes(self.random.randint(1, 24))
                continue
            data = bytearray("".join(self.texts(1)).encode()[:64])
            for _ in range(self.random.randint(0, 2)):
                if data:
                    data[self.random.randrange(len(data))] = self.random.randrange(256)
            yield bytes(data)

    def id_lists(self, count, ids):
        """Random tokens, most of them of the lower ids, which are the frequent ones."""
        for _ in range(count):
            pool = ids if self.random.random() < 0.5 else ids[:len(ids) // 20]
            yield self.random.choices(pool, k=self.random.randint(1, 24))

    def script(self):
        start = self.random.choice(self.scripts if self.random.random() < 0.8 else self.ideographs)
        points = (start + self.random.randrange(64) for _ in range(self.random.randint(1, 6)))
        return "".join(chr(point) for point in points if not 0xD800 <= point <= 0xDFFF)

    def ascii(self):
        return "".join(chr(self.random.randint(0x20, 0x7E)) for _ in range(self.random.randint(1, 10)))

    def spaces(self):
        if self.random.random() < 0.5:
            return self.random.choice(SPACES) * self.random.randint(1, 20)
        return "".join(self.random.choices(SPACES, k=self.random.randint(1, 6)))

    def controls(self):
        return "".join(self.random.choices(CONTROLS, k=self.random.randint(1, 3)))

    def digits(self):
        digits = self.random.choice(["0123456789", "0123456789", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "０１２３４５６７８９", "²³½⅔Ⅷ①"])
        return "".join(self.random.choices(digits, k=self.random.randint(1, 12)))

    def emoji(self):
        """Up to four joined by zero-width joiners, with skin tones and variation selectors; or a flag."""
        if self.random.random() < 0.15:
            return "".join(self.random.choices(FLAGS, k=2))
        marks = ["", "", "\ufe0f", "\ufe0e", "\u20e3", self.random.choice(SKIN_TONES)]
        people = (self.random.choice(EMOJI) + self.random.choice(marks) for _ in range(self.random.randint(1, 4)))
        return "\u200d".join(people)

    def listed(self, pieces):
        return lambda: self.random.choice(pieces)
