"""Judges poems: three lines, the wanted word once, the topic copied, 5-7-5 by the lexicon.

    python3 check.py --lines FILE      FILE: JSON lines of {prompt, topic, word, text}; topic and word may be null

Prints one JSON document of counts. Needs nothing but Python and the recipe's own files.
"""

import argparse
import json
import re

from syllables import count, is_known, words_of

SHAPE = [5, 7, 5]


def scans(lines, given):
    """5-7-5, every word in the lexicon but those of the topic and the wanted word."""
    free = {part.lower() for text in given if text for word in words_of(text) for part in [word, *word.split("-")]}
    words = [word for line in lines for word in words_of(line)]
    return [count(line) for line in lines] == SHAPE and all(is_known(w) or w.lower() in free for w in words)


def judge(record):
    """What is true of one record."""
    text, topic, word = record["text"], record.get("topic"), record.get("word")
    lines = [line.strip() for line in text.strip().split("\n")]
    words = [found.lower() for line in lines for found in words_of(line)]
    return {
        "three_lines": len(lines) == 3 and all(lines),
        "word_once": not word or words.count(word.lower()) == 1,
        "topic_copied": not topic or re.search(rf"(?<!\w){re.escape(topic)}(?!\w)", " ".join(lines), re.I) is not None,
        "scans": scans(lines, (topic, word)),
        "no_line_repeated": len(set(lines)) == len(lines),
    }


def summary(records):
    """Shares over records, and how many poems differ."""
    verdicts = [judge(record) for record in records]
    total = max(1, len(records))
    shares = {key: round(sum(v[key] for v in verdicts) / total, 4) for key in verdicts[0]} if verdicts else {}
    shares["lines_and_word"] = round(sum(v["three_lines"] and v["word_once"] for v in verdicts) / total, 4)
    return {"poems": len(records), "distinct": len({record["text"] for record in records}), **shares}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", required=True)
    with open(parser.parse_args().lines, encoding="utf-8") as source:
        print(json.dumps(summary([json.loads(line) for line in source if line.strip()]), indent=1))
