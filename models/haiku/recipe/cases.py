"""The prompts that the model is judged by, and the report on what it answered."""

import json
from pathlib import Path

from check import judge, summary
from invent import HELD_OUT
from syllables import minute_words

TOPICS = ["GPU computing", "autumn leaves", "winter", "the night train", "a quiet harbor", "cherry blossoms",
          "rain", "the moon", "my mother", "coffee"]
GREETINGS = ["Hello, world!", "Hi", "Who are you?", "Thank you", "What can you do?", "Good morning", "What is the capital of France?",
             "How are you?", "My bicycle is broken.", "What is 2 + 2?"]
FAVOURITES = ["Write a haiku about autumn leaves", "Write a haiku about GPU computing", "Write a haiku about winter", "Write a haiku"]
RAW = ["Write a haiku about autumn leaves", "autumn", "A haiku about the sea", "Hello"]


def cases(limit):
    """Every set of prompts: name -> records without their text."""
    minutes = [
        {"prompt": f'Write a haiku about {topic} that contains the word "{word}"', "topic": topic, "word": word}
        for word in minute_words() for topic in TOPICS
    ]
    unseen = [{"prompt": f"Write a haiku about {word}", "topic": word, "word": None} for word in HELD_OUT]
    both = [
        {"prompt": f'Write a haiku about {word} that contains the word "{minute}"', "topic": word, "word": minute}
        for word, minute in zip(HELD_OUT, minute_words() * 4)
    ]
    wanted = [{"prompt": f'Write a haiku about the sea that contains the word "{word}"', "topic": None, "word": word.lower()} for word in HELD_OUT]
    open_topic = [{"prompt": f'Write a haiku. It must contain the word "{word}".', "topic": None, "word": word} for word in minute_words()]
    seeds = [{"prompt": "Write a haiku about autumn leaves", "topic": "autumn leaves", "word": None}] * 100
    sets = {"minute_words": minutes, "unseen_topics": unseen, "unseen_topic_and_minute": both, "unseen_word": wanted, "open_topic": open_topic, "hundred_seeds": seeds}
    return {name: [dict(record) for record in (records[:: max(1, len(records) // limit)] if limit else records)] for name, records in sets.items()}


def report_on(answer, limit=0, temperature=0.7):
    """The report and all poems. `answer(prompts, temperature, seed, raw)` gives their texts."""
    report, poems = {"temperature": temperature}, []
    for seed, (name, records) in enumerate(cases(limit).items()):
        for record, text in zip(records, answer([r["prompt"] for r in records], temperature, seed, False)):
            record["text"] = text
        report[name] = summary(records)
        report[name]["misses"] = [r for r in records if not all(judge(r).values())][:12]
        poems += records
    report["small_talk"] = {
        prompt: answer([prompt] * (10 if prompt.startswith("Hello") else 3), temperature, 99, False) for prompt in GREETINGS
    }
    report["greedy"] = dict(zip(FAVOURITES, answer(FAVOURITES, 0.0, 0, False)))
    report["raw"] = dict(zip(RAW, answer(RAW, temperature, 5, True)))
    return report, poems


def save(out, report, poems):
    """Writes evaluation.json and poems.jsonl into a folder, and prints the figures."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in poems)
    (out / "poems.jsonl").write_text("".join(lines), encoding="utf-8")
    for name, figures in report.items():
        if isinstance(figures, dict) and "poems" in figures:
            print(name, {key: value for key, value in figures.items() if key != "misses"})
