"""Training documents: poems and small talk set as conversations, each a list of (text, learnt) pieces."""

import re

import invent
import prompts
import smalltalk
from grammar import STOP
from poem import AREA, NUMBERS, make_poem
from syllables import minute_words, words_of
from topics import all_topics, unknown

TOPICS = all_topics()
NOUNS = [topic.text for topic in TOPICS]
MINUTES = minute_words()
AREAS = [name for name in AREA if name not in ("gpu", "computing")] * 4 + list(AREA)
FAVOURITES = [topic for topic in TOPICS if topic.text in ("GPU computing", "autumn leaves", "winter", "the sea", "a quiet harbor")]
KINDS = {
    "known": 22, "known_minute": 20, "unknown": 19, "unknown_minute": 7, "known_invented": 9, "known_word": 8,
    "unknown_invented": 4, "talk": 7, "question": 5, "turns": 6, "raw": 6, "bare": 1,
    "any": 2, "any_minute": 4, "any_invented": 2,
}


def some_topic(rng, known):
    if known:
        return rng.choice(FAVOURITES if rng.random() < 0.06 else TOPICS)
    return unknown(invent.phrase(rng, NOUNS), rng.choice(AREAS))


def poem_turn(rng, kind):
    """A request and its poem."""
    while True:
        topic = some_topic(rng, not kind.startswith("unknown"))
        word = None
        if kind.endswith("minute"):
            word = rng.choice(MINUTES)
        elif kind.endswith("invented"):
            word = invent.word(rng)
            if word.lower() in NUMBERS:
                continue
        lines = make_poem(rng, topic, word)
        if not lines:
            continue
        poem = "\n".join(lines)
        if kind == "known_word":
            word = word_of(rng, poem, topic)
        ask = prompts.request_any(rng, word) if kind.startswith("any") else prompts.request(rng, topic.text, word)
        return ask, poem, topic


def word_of(rng, poem, topic):
    """A content word that the poem holds once, outside its topic: asked for after the fact."""
    words = words_of(poem)
    taken = STOP | {word.lower() for word in words_of(topic.text)} | NUMBERS
    fit = [word for word in words if word.lower() not in taken and words.count(word) == 1 and len(word) > 2]
    return rng.choice(fit) if fit else None


def talk_turn(rng):
    if rng.random() < 0.15:
        return rng.choice(smalltalk.BLANK_ASKS), rng.choice(smalltalk.BLANK_ANSWERS)
    intents = smalltalk.INTENTS
    asks, answers = intents[0] if rng.random() < 0.2 else rng.choice(intents)
    return rng.choice(asks), rng.choice(answers)


def question_turn(rng):
    topic = invent.phrase(rng, NOUNS) if rng.random() < 0.7 else rng.choice(NOUNS)
    ask = rng.choice(smalltalk.QUESTIONS).replace("{X}", topic)
    ask = re.sub(r"\b(a|an|the|my|some|our) (a|an|the|my) ", r"\2 ", ask, flags=re.I)
    return ask, rng.choice(smalltalk.ANSWERS).replace("{X}", topic)


def chat(turns, system=None):
    """ChatML pieces: what the assistant says is learnt, with the mark that ends it."""
    pieces = [(f"<|im_start|>system\n{system}<|im_end|>\n", False)] if system else []
    for place, (ask, answer) in enumerate(turns):
        lead = "\n" if place else ""
        pieces.append((f"{lead}<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n", False))
        pieces.append((f"{answer}<|im_end|>", True))
    return pieces


def several_turns(rng):
    """Two or three turns: a greeting or a poem, then more of it, then thanks."""
    turns = [talk_turn(rng)] if rng.random() < 0.3 else []
    kinds = ("known", "known_minute", "unknown", "known_word")
    ask, poem, topic = poem_turn(rng, rng.choice(kinds))
    turns.append((ask, poem))
    follow = rng.random()
    if follow < 0.35:
        again = make_poem(rng, topic)
        if again and "\n".join(again) != poem:
            turns.append((rng.choice(smalltalk.AGAIN), "\n".join(again)))
    elif follow < 0.6:
        other = some_topic(rng, rng.random() < 0.6)
        lines = make_poem(rng, other)
        if lines:
            turns.append((rng.choice(smalltalk.NEXT).replace("{T}", other.text), "\n".join(lines)))
    elif follow < 0.8:
        turns.append(poem_turn(rng, rng.choice(kinds))[:2])
    if len(turns) < 2 or rng.random() < 0.3:
        asks, answers = smalltalk.INTENTS[rng.choice((5, 5, 6))]
        turns.append((rng.choice(asks), rng.choice(answers)))
    return turns[:3]


def document(rng):
    """One training document."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    system = rng.choice(smalltalk.SYSTEMS) if rng.random() < 0.12 else None
    if kind == "talk":
        return chat([talk_turn(rng)], system)
    if kind == "question":
        return chat([question_turn(rng)], system)
    if kind == "turns":
        return chat(several_turns(rng), system)
    if kind == "bare":
        return [(poem_turn(rng, "known")[1] + "<|im_end|>", True)]
    if kind == "raw":
        if rng.random() < 0.15:
            ask, answer = talk_turn(rng)
            return [(ask, False), (f"\n{answer}<|im_end|>", True)]
        ask, poem, _ = poem_turn(rng, rng.choice(("known", "known", "known_minute", "unknown")))
        return [(ask, False), (rng.choice(("\n", "\n", "\n\n", ":\n")) + poem + "<|im_end|>", True)]
    ask, poem, _ = poem_turn(rng, kind)
    return chat([(ask, poem)], system)
