"""Trains against the clock: fresh rows from the feeders, the learning rate falling with the time that is left."""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import bpe
from feed import ROW
from model import Config, Model

HERE = Path(__file__).parent


class Pool:
    """All rows made so far, on the device."""

    def __init__(self, folder, device):
        self.folder, self.device, self.seen = Path(folder), device, set()
        self.rows = torch.empty((0, ROW), dtype=torch.int16, device=device)

    def collect(self):
        new = [path for path in self.folder.glob("[0-9]*.npy") if path not in self.seen]
        if new:
            fresh = torch.from_numpy(np.concatenate([np.load(path) for path in new])).to(self.device)
            self.rows = torch.cat((self.rows, fresh))
            self.seen.update(new)
            for path in new:
                path.unlink()

    def batch(self, rows, length):
        pick = torch.randint(len(self.rows), (rows,), device=self.device)
        return self.rows[pick].reshape(-1, length)


def feeders(args, folder):
    command = [sys.executable, str(HERE / "feed.py"), folder, args.tokenizer]
    return [subprocess.Popen([*command, str(args.seed * 1000 + n), str(args.feed or args.seconds), str(args.shard)]) for n in range(args.workers)]


def optimizer_of(model, device):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95), fused=device == "cuda")


def learning_rate(args, step, part):
    return args.lr * min(1.0, (step + 1) / args.warmup) * (0.5 + 0.5 * math.cos(math.pi * min(1.0, part))) + 1e-6


def train(args, folder):
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    model = Model(Config(vocab=bpe.load(args.tokenizer).get_vocab_size())).to(device)
    if args.resume:
        model.load_state_dict(load_file(args.resume))
    optimizer = optimizer_of(model, device)
    cast = torch.autocast(device, torch.bfloat16) if device == "cuda" else nullcontext()
    loss_of = torch.compile(model.loss, dynamic=False) if device == "cuda" else model.loss
    pool = Pool(folder, device)
    while len(pool.rows) < args.rows:
        time.sleep(0.5)
        pool.collect()
    begin, step, shown = time.time(), 0, 0.0
    stop = args.deadline or begin + args.seconds
    while (now := time.time()) < stop:
        if step % 50 == 0:
            pool.collect()
        rate = learning_rate(args, step, (now - begin) / (stop - begin))
        for group in optimizer.param_groups:
            group["lr"] = rate
        length = (256, 256, 1024, 256, 256)[step % 5]
        with cast:
            loss = loss_of(pool.batch(args.rows, length))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step % 100 == 0 or device == "cpu":
            value = loss.item()
            if time.time() - shown > args.every:
                shown = time.time()
                print(f"step {step} loss {value:.4f} lr {rate:.2e} rows {len(pool.rows)} at {shown - begin:.0f} s", flush=True)
    print(f"{step} steps, {step * args.rows * ROW / 1e6:.0f} M tokens, pool {len(pool.rows) * ROW / 1e6:.0f} M, {time.time() - begin:.0f} s")
    save_file({name: value.detach().half().cpu() for name, value in model.state_dict().items()}, args.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--resume", help="weights to begin with")
    parser.add_argument("--seconds", type=float, default=480)
    parser.add_argument("--deadline", type=float, help="stop at this Unix time instead")
    parser.add_argument("--feed", type=float, help="seconds that the feeders work, all by default")
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--shard", type=int, default=4000, help="documents a shard")
    parser.add_argument("--rows", type=int, default=512, help="256-token rows a step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--every", type=float, default=10, help="seconds between progress lines")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workers = feeders(args, folder)
        try:
            train(args, folder)
        finally:
            for worker in workers:
                worker.kill()


if __name__ == "__main__":
    main()
