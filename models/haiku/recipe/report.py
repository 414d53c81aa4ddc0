"""Sets evaluation.json as EVALUATION.md.

    python3 report.py evaluation.json EVALUATION.md
"""

import json
import sys

SETS = {
    "minute_words": "60 minute words x 10 topics",
    "unseen_topics": "topic words held out of training",
    "unseen_topic_and_minute": "held-out topic and a minute word",
    "unseen_word": "held-out word wanted in a poem on the sea",
    "open_topic": "60 minute words, the topic left open",
    "hundred_seeds": "one prompt, 100 draws",
}
COLUMNS = ["poems", "distinct", "three_lines", "word_once", "topic_copied", "scans", "no_line_repeated"]


def table(report):
    yield "| prompts | " + " | ".join(column.replace("_", " ") for column in COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for key, title in SETS.items():
        cells = [report[key][column] for column in COLUMNS]
        yield f"| {title} | " + " | ".join(f"{c:.1%}" if isinstance(c, float) else str(c) for c in cells) + " |"


def quoted(text):
    return ["```", *text.strip().split("\n"), "```", ""]


def page(report):
    yield from ["# Evaluation", ""]
    yield f"Weights rounded to Q8_0, temperature {report['temperature']}, answered through `recipe/evaluate_binary.py`, judged by `recipe/check.py`."
    yield from ["", *table(report), "", "## Greedy", ""]
    for prompt, text in report["greedy"].items():
        yield from [f"`{prompt}`", "", *quoted(text)]
    yield from ["## Small talk", ""]
    for prompt, texts in report["small_talk"].items():
        yield from [f"`{prompt}`", "", *(f"- {text}" for text in texts), ""]
    yield from ["## Without a template", ""]
    for prompt, text in report["raw"].items():
        yield from quoted(prompt + text)
    yield from ["## Misses", ""]
    for key in SETS:
        for miss in report[key]["misses"]:
            yield f"- {SETS[key]}: topic {miss['topic']}, word {miss['word']}: " + " / ".join(miss["text"].split("\n"))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source, open(sys.argv[2], "w", encoding="utf-8") as sink:
        sink.write("\n".join(page(json.load(source))).rstrip() + "\n")
