"""Samples the Q8_0-rounded weights at temperature 0.7 and writes what holds of the poems.

    python3 evaluate.py --weights model.safetensors --tokenizer tokenizer.json --out FOLDER [--limit N]

FOLDER receives evaluation.json (figures and samples) and poems.jsonl (every poem, for check.py).
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

import bpe
from check import judge, summary
from invent import HELD_OUT
from model import Config, Model, rounded_state
from syllables import minute_words

TOPICS = ["GPU computing", "autumn leaves", "winter", "the night train", "a quiet harbor", "cherry blossoms",
          "rain", "the moon", "my mother", "coffee"]
GREETINGS = ["Hello, world!", "Hi", "Who are you?", "Thank you", "What can you do?", "Good morning", "What is the capital of France?",
             "How are you?", "My bicycle is broken.", "What is 2 + 2?"]


def chat(prompt):
    return f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"


@torch.no_grad()
def sample(model, tokenizer, prompts, temperature, seed, limit=64, batch=256):
    """Completions of finished prompts; whole rows are recomputed for each token, which at this size is quick."""
    device = model.token_embd.weight.device
    end = tokenizer.token_to_id("<|im_end|>")
    draw = torch.Generator(device).manual_seed(seed)
    texts = []
    for begin in range(0, len(prompts), batch):
        encoded = [tokenizer.encode(prompt).ids for prompt in prompts[begin : begin + batch]]
        lengths = torch.tensor([len(ids) for ids in encoded], device=device)
        rows = torch.full((len(encoded), int(lengths.max()) + limit), end, device=device)
        for row, ids in zip(rows, encoded):
            row[: len(ids)] = torch.tensor(ids, device=device)
        at, done = lengths.clone(), torch.zeros(len(encoded), dtype=torch.bool, device=device)
        every = torch.arange(len(encoded), device=device)
        for _ in range(limit):
            states = model.hidden_states(rows[:, : int(at.max())])[every, at - 1]
            logits = states.float() @ model.token_embd.weight.T.float()
            if temperature:
                token = torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw)[:, 0]
            else:
                token = logits.argmax(-1)
            done |= token == end
            if done.all():
                break
            rows[every, at] = torch.where(done, end, token)
            at += ~done
        for row, start, stop in zip(rows.tolist(), lengths.tolist(), at.tolist()):
            texts.append(tokenizer.decode(row[start:stop], skip_special_tokens=False))
    return texts


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
    seeds = [{"prompt": "Write a haiku about autumn leaves", "topic": "autumn leaves", "word": None}] * 100
    sets = {"minute_words": minutes, "unseen_topics": unseen, "unseen_topic_and_minute": both, "unseen_word": wanted, "hundred_seeds": seeds}
    return {name: [dict(record) for record in (records[:: max(1, len(records) // limit)] if limit else records)] for name, records in sets.items()}


def evaluate(model, tokenizer, limit, temperature=0.7):
    report, poems = {"temperature": temperature}, []
    for seed, (name, records) in enumerate(cases(limit).items()):
        texts = sample(model, tokenizer, [chat(r["prompt"]) for r in records], temperature, seed)
        for record, text in zip(records, texts):
            record["text"] = text
        report[name] = summary(records)
        report[name]["misses"] = [r for r in records if not all(judge(r).values())][:12]
        poems += records
    count = min(10, limit or 10)
    report["small_talk"] = {
        prompt: sample(model, tokenizer, [chat(prompt)] * (count if prompt.startswith("Hello") else 3), temperature, 99) for prompt in GREETINGS
    }
    favourites = ["Write a haiku about autumn leaves", "Write a haiku about GPU computing", "Write a haiku about winter"]
    report["greedy"] = dict(zip(favourites, sample(model, tokenizer, [chat(p) for p in favourites], 0.0, 0)))
    raw = ["Write a haiku about autumn leaves", "autumn", "A haiku about the sea", "Hello"]
    report["raw"] = dict(zip(raw, sample(model, tokenizer, raw, temperature, 5)))
    return report, poems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--limit", type=int, default=0, help="prompts a set, all by default")
    args = parser.parse_args()
    tokenizer = bpe.load(args.tokenizer)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = Model(Config(vocab=tokenizer.get_vocab_size())).to(device).eval()
    model.load_state_dict(rounded_state(load_file(args.weights)))
    report, poems = evaluate(model, tokenizer, args.limit)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    with open(out / "poems.jsonl", "w", encoding="utf-8") as sink:
        for record in poems:
            sink.write(json.dumps(record, ensure_ascii=False) + "\n")
    print(json.dumps({k: ({a: b for a, b in v.items() if a != "misses"} if "poems" in v else v) for k, v in report.items() if k != "temperature"}, indent=1))


if __name__ == "__main__":
    main()
