"""Samples the Q8_0-rounded weights at temperature 0.7 and writes what holds of the poems.

    python3 evaluate.py --weights model.safetensors --tokenizer tokenizer.json --out FOLDER [--limit N]

FOLDER receives evaluation.json (figures and samples) and poems.jsonl (every poem, for check.py).
"""

import argparse

import torch
from safetensors.torch import load_file

import bpe
from cases import report_on, save
from model import Config, Model, rounded_state


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

    def answer(prompts, temperature, seed, raw):
        return sample(model, tokenizer, prompts if raw else [chat(p) for p in prompts], temperature, seed)

    save(args.out, *report_on(answer, args.limit))


if __name__ == "__main__":
    main()
