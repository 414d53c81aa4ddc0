"""Syllable counts: the lexicon where it knows a word, a spelling rule where it does not."""

import re

from lexicon import LEXICON

WORD = re.compile(r"[A-Za-z0-9]+(?:['-][A-Za-z0-9]+)*")
VOWELS = "aeiouy"
# Neighbouring vowels that are spoken apart.
HIATUS = re.compile(r"ia(?!g)|io(?!u)|iu|eo|ua(?!r)|uo|ying|oi(?=ng)|eing|uie|poe[mt]|scien")
DIGRAPH_ION = re.compile(r"[tscg]io")

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen " \
    "sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty"


def minute_words():
    """The sixty minutes of an hour as words, `zero` to `fifty-nine`."""
    words = ONES.split()
    for tens in TENS.split():
        words += [tens] + [f"{tens}-{one}" for one in words[1:10]]
    return words


def by_rule(word):
    """Syllables of a word judged by its spelling alone."""
    if word.isupper() and 1 < len(word) <= 4:
        return sum(3 if letter == "W" else 1 for letter in word)
    if word.isdigit():
        return len(word)
    word = word.lower().replace("'", "")
    word = re.sub(r"(?<=[aeou])y(?=[aeiou](?!s?$))", "j", word)
    count = len(re.findall(r"[aeiouy]+", word))
    count += len(HIATUS.findall(DIGRAPH_ION.sub("xo", word)))
    if re.search(r"[^aeiouy]e$", word) and not re.search(r"[^aeiouyrlw]le$", word) and count > 1:
        count -= 1
    elif re.search(r"[^aeiouydt]ed$", word) and not re.search(r"[^aeiouyrlw]led$", word) and count > 1:
        count -= 1
    elif re.search(r"[^aeiouysxzcg]es$", word) and not re.search(r"(ch|sh|[^aeiouyrlw]l)es$", word) and count > 1:
        count -= 1
    if re.search(r"[aeiou][^aeiouy]e(ly|ness|less|ful|ment|man|work|line|walk|case)s?$", word):
        count -= 1
    return max(1, count)


def word_syllables(word):
    """Syllables of one word, hyphens splitting it."""
    return sum(known(part) or by_rule(part) for part in word.split("-"))


def known(part):
    """The lexicon's count; what is all capitals counts only if it stands there in capitals."""
    shouted = part.isupper() and len(part) > 1
    return LEXICON.get(part) or (None if shouted else LEXICON.get(part.lower()))


def words_of(text):
    return WORD.findall(text)


def is_known(word):
    return all(known(part) for part in word.split("-"))


def count(text):
    """Syllables of a phrase."""
    return sum(word_syllables(word) for word in words_of(text))
