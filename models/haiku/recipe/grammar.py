"""From the scenes' notation to phrases indexed by syllables, and exact sampling of lines by length."""

import random
import re

from syllables import count, words_of

CHOICE = re.compile(r"\(([^()]*)\)")
IRREGULAR = {"are": "is", "have": "has", "do": "does", "go": "goes"}
STOP = set("""a an the and or of in on at by to for from with into over under above below behind beneath beside
    between beyond through past along across after before until while as is are be it its my our your their his
    her we i you they one no not only just still even then again once more all so too out up down off away back
    this that there here where who what when how if but like than nothing every each some few first last new old
    now yet ever never almost near far always without among around about another me him us has have had""".split())


def expand(entry):
    """All readings of an entry with its `(a|b)` choices; double spaces fold."""
    found = CHOICE.search(entry)
    if not found:
        return [" ".join(entry.split()).replace(" ,", ",")]
    readings = []
    for choice in found.group(1).split("|"):
        readings += expand(entry[: found.start()] + choice + entry[found.end() :])
    return readings


def singular(predicate):
    """`drift past` -> `drifts past`."""
    verb, rest = re.match(r"(\w+)(.*)", predicate).groups()
    if verb in IRREGULAR:
        verb = IRREGULAR[verb]
    elif re.search(r"(s|x|z|ch|sh)$", verb):
        verb += "es"
    elif re.search(r"[^aeiou]y$", verb):
        verb = verb[:-1] + "ies"
    else:
        verb += "s"
    return verb + rest


class Phrases:
    """Phrases by syllable count. An entry with many readings keeps the weight of a few."""

    def __init__(self, entries):
        self.by_count = {}
        for entry in entries:
            readings = expand(entry)
            weight = len(readings) ** 0.5 / len(readings)
            for text in readings:
                self.by_count.setdefault(count(text), []).append((text, weight))
        self.pick_from = {}
        self.weight = {}
        for syllables, pairs in self.by_count.items():
            self.pick_from[syllables] = ([text for text, _ in pairs], cumulative([w for _, w in pairs]))
            self.weight[syllables] = sum(w for _, w in pairs)

    @classmethod
    def parse(cls, text):
        return cls([line.strip() for line in text.strip().splitlines()])

    def pick(self, rng, syllables):
        texts, weights = self.pick_from[syllables]
        return rng.choices(texts, cum_weights=weights)[0]

    def all(self):
        return [text for pairs in self.by_count.values() for text, _ in pairs]


def cumulative(weights):
    total, out = 0.0, []
    for weight in weights:
        total += weight
        out.append(total)
    return out


def splits(parts, target):
    """Ways to share `target` syllables among the parts, with their weights."""
    if not parts:
        return [((), 1.0)] if target == 0 else []
    ways = []
    for syllables, weight in parts[0].weight.items():
        if syllables <= target:
            for rest, rest_weight in splits(parts[1:], target - syllables):
                ways.append(((syllables, *rest), weight * rest_weight))
    return ways


class Line:
    """A line pattern: a sequence of `Phrases`, sampled to an exact number of syllables."""

    def __init__(self, *parts, weight=1.0):
        self.parts = parts
        self.cache = {}
        self.base = weight

    def ways(self, target):
        if target not in self.cache:
            found = splits(list(self.parts), target)
            self.cache[target] = ([way for way, _ in found], cumulative([w for _, w in found]))
        return self.cache[target]

    def weight(self, target):
        """How readily this pattern is used for that length: the fourth root of its variety."""
        sums = self.ways(target)[1]
        return self.base * sums[-1] ** 0.25 if sums else 0.0

    def sample(self, rng, target):
        ways, weights = self.ways(target)
        way = rng.choices(ways, cum_weights=weights)[0]
        return " ".join(part.pick(rng, n) for part, n in zip(self.parts, way))


def choose(rng, lines, target):
    """A line of `target` syllables from several patterns, or None."""
    weights = [line.weight(target) for line in lines]
    if not any(weights):
        return None
    return rng.choices(lines, weights)[0].sample(rng, target)


def content(text):
    """Content words of a line, plural and singular alike."""
    return {stem(word) for word in words_of(text.lower()) if word not in STOP}


TIMES = ("dawn daybreak sunrise morning", "noon midday afternoon", "dusk twilight evening sunset", "midnight night")
TIME_OF = {word: hour for hour, words in enumerate(TIMES) for word in words.split()}


def agree(lines):
    """No content word (nor its compound) in two places, and no two times of day."""
    seen = []
    for line in lines:
        here = content(line)
        if any(a == b or min(len(a), len(b)) > 2 and (a.startswith(b) or b.startswith(a)) for a in here for b in seen):
            return False
        seen += here
    words = [word for line in lines for word in words_of(line.lower())]
    long = [word for word in words if len(word) > 3 and word not in STOP]
    return len(long) == len(set(long)) and len({TIME_OF[word] for word in words if word in TIME_OF}) < 2


def stem(word):
    return re.sub(r"(ies|es|s|ed|ing)$", "", word) or word


def literal(text):
    """A fixed text as a one-phrase slot."""
    return Phrases([text])


def seeded(seed):
    return random.Random(seed)
