"""Whole poems: three lines of 5, 7 and 5 syllables about a topic, if wanted with a given word in them."""

import re

import frames
import scenes_cold
import scenes_life
import scenes_nature
import scenes_town
import scenes_warm
from grammar import Line, Phrases, agree, choose, expand, literal, singular
from syllables import count, minute_words, words_of

AREAS = {**scenes_cold.AREAS, **scenes_warm.AREAS, **scenes_nature.AREAS, **scenes_town.AREAS, **scenes_life.AREAS}
NUMBERS = set(minute_words())
LENGTHS = (5, 7, 5)


class Scene:
    """One scene's subjects, predicates and places, and the line patterns made of them."""

    def __init__(self, data):
        verbs = [v for line in data["v"].strip().splitlines() for v in expand(line.strip())]
        self.s, self.p, self.at = (Phrases.parse(data[key]) for key in ("s", "p", "at"))
        self.vs, self.vp = Phrases([singular(verb) for verb in verbs]), Phrases(verbs)
        self.bare = Phrases([re.sub(r"^(the|a few|three) ", "", p) for p in self.p.all()])
        one = [re.sub(r"^(a|an|the) ", "", s) for s in self.s.all() if re.match(r"an? ", s)]
        self.one = Phrases(one or ["star"])
        pairs = [(self.s, self.vs), (self.p, self.vp)]
        self.full = [line for subject, verb in pairs for line in (Line(subject, verb), Line(subject, verb, self.at))]
        self.fragment = [Line(subject, self.at, weight=0.5) for subject, _ in pairs]

    def about(self, topic, plural):
        """Lines whose subject is the topic itself."""
        verb = self.vp if plural else self.vs
        subject = literal(topic)
        return [Line(subject, verb), Line(subject, verb, self.at), Line(subject, self.at)]

    def counted(self, number):
        """Lines that count the scene's own things."""
        head = literal(number)
        if number == "one":
            return [Line(head, self.one, self.vs), Line(head, self.one, self.vs, self.at), Line(head, self.one, self.at)]
        return [Line(head, self.bare, self.vp), Line(head, self.bare, self.vp, self.at), Line(head, self.bare, self.at)]


class Area:
    def __init__(self, name, data):
        self.name = name
        self.scenes = [Scene(scene) for scene in data["scenes"]]
        self.time, self.open, self.close, self.i = (Phrases.parse(data[k]) for k in ("time", "open", "close", "i"))
        for scene in self.scenes:
            scene.full += [Line(subject, verb, self.time, weight=0.6) for subject, verb in ((scene.s, scene.vs), (scene.p, scene.vp))]


AREA = {name: Area(name, data) for name, data in AREAS.items()}
FRAME = {name: [e for entry in frames.entries(getattr(frames, name)) for e in expand(entry)]
         for name in dir(frames) if name.isupper()}
REST = {name: [(text, count(re.sub(r"\{[TW]\}", "", text))) for text in texts] for name, texts in FRAME.items()}


def framed(rng, names, slot, value, target):
    """A frame of the named sets that has `target` syllables with the value in its slot."""
    rest = target - count(value)
    fits = [text for name in names for text, size in REST[name] if size == rest]
    return rng.choice(fits).replace(slot, value) if fits else None


def topic_line(rng, topic, target, last):
    """A line that names the topic: as a scene's subject where it is one, else in a frame."""
    if topic.role in ("s", "p") and not last and rng.random() < 0.65:
        line = choose(rng, AREA[topic.area].scenes[topic.scene].about(topic.text, topic.role == "p"), target)
        if line:
            return line
    names = ["TOPIC_LAST"] if last and rng.random() < 0.7 else ["TOPIC_FIRST"]
    if topic.known and not last and rng.random() < 0.5:
        names = ["TOPIC_HEAD"]
    return framed(rng, names, "{T}", topic.text, target)


def word_line(rng, area, word, target):
    """A line that holds the wanted word: counted or shown by a clock for numbers, spoken for others."""
    if word not in NUMBERS:
        return framed(rng, ["WORD"], "{W}", word, target)
    if rng.random() < 0.4:
        line = choose(rng, rng.choice(area.scenes).counted(word), target)
        if line:
            return line
    names = ["NUMBER", "NUMBER_ONE" if word == "one" else "NUMBER_MANY"]
    if area.name in ("computing", "gpu") and rng.random() < 0.7:
        names = ["NUMBER_TECH"] + (["NUMBER_TECH_MANY"] if word != "one" else [])
    return framed(rng, names, "{W}", word, target)


def scene_pair(rng, area):
    """Lines two and three as one sentence that runs over the break."""
    scene = rng.choice(area.scenes)
    subject, verb = rng.choice([(scene.s, scene.vs), (scene.p, scene.vp)])
    settings = [scene.at, area.time]
    rng.shuffle(settings)
    return [choose(rng, [Line(subject, settings[0])], 7), choose(rng, [Line(verb, settings[1]), Line(verb)], 5)]


PLANS = (["topic", "scene", "close"],) * 6 + (["topic", "i", "close"],) * 3 + (["topic", "pair", "pair"],) * 3 + (
    ["scene", "topic", "close"], ["scene", "topic", "close"], ["open", "topic", "close"], ["open", "scene", "topic"],
    ["scene", "i", "topic"], ["topic", "scene", "scene"])
WORD_PLANS = (["topic", "word", "close"],) * 6 + (["word", "topic", "close"],) * 4 + (
    ["open", "word", "topic"], ["scene", "word", "topic"], ["topic", "scene", "word"], ["word", "scene", "topic"],
    ["topic", "i", "word"])


def make_line(rng, kind, area, topic, word, place):
    target = LENGTHS[place]
    if kind == "topic":
        return topic_line(rng, topic, target, place == 2)
    if kind == "word":
        return word_line(rng, area, word, target)
    if kind == "scene":
        scene = rng.choice(area.scenes)
        return choose(rng, scene.full + scene.fragment * (place == 0), target)
    phrases = getattr(area, kind)
    return phrases.pick(rng, target) if target in phrases.pick_from else None


def attempt(rng, topic, word):
    area = AREA[topic.area]
    plan = rng.choice(WORD_PLANS if word else PLANS)
    lines = []
    for place, kind in enumerate(plan):
        if kind == "pair":
            if place == 1:
                lines += scene_pair(rng, area)
            continue
        lines.append(make_line(rng, kind, area, topic, word, place))
    return lines if all(lines) and acceptable(lines, topic, word) else None


def acceptable(lines, topic, word):
    """The lines agree, the wanted word stands once and no second number beside a wanted one."""
    if not agree(lines):
        return False
    words = words_of(" ".join(lines).lower())
    if word:
        numbers = [w for w in words if w in NUMBERS]
        if words.count(word.lower()) != 1 or (word in NUMBERS and len(numbers) != 1):
            return False
    return topic.text.lower() in " ".join(lines).lower()


def make_poem(rng, topic, word=None):
    """Three lines about a topic, or None where topic and word do not fit a haiku."""
    for _ in range(40):
        lines = attempt(rng, topic, word)
        if lines:
            return lines
    return None
