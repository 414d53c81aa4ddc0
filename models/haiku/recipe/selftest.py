"""Checks the grammar itself: every word counted in the lexicon, every poem 5-7-5, on topic and with its word.

    python3 selftest.py [POEMS]
"""

import sys

import invent
from check import judge
from dialogues import AREAS, MINUTES, TOPICS
from grammar import seeded
from poem import AREA, make_poem
from syllables import is_known, words_of
from topics import unknown


def uncounted():
    """Words of the scenes that the lexicon lacks."""
    phrases = []
    for area in AREA.values():
        phrases += [area.time, area.open, area.close, area.i]
        for scene in area.scenes:
            phrases += [scene.s, scene.p, scene.vs, scene.vp, scene.at]
    return sorted({word for group in phrases for text in group.all() for word in words_of(text) if not is_known(word)})


def main(poems):
    missing = uncounted()
    rng, failures, unfit = seeded(11), [], 0
    for number in range(poems):
        topic = rng.choice(TOPICS) if number % 3 else unknown(invent.word(rng), rng.choice(AREAS))
        word = rng.choice(MINUTES) if number % 2 else None
        lines = make_poem(rng, topic, word)
        if not lines:
            unfit += 1
            continue
        verdict = judge({"text": "\n".join(lines), "topic": topic.text, "word": word})
        if not all(verdict.values()):
            failures.append((topic.text, word, lines, verdict))
    print(f"{poems} poems, {len(failures)} wrong, {unfit} pairs of topic and word without one, {len(missing)} words uncounted")
    for failure in failures[:5]:
        print(*failure)
    print(*missing)
    return 1 if failures or missing else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20000))
