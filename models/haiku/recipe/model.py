"""Qwen2 in plain PyTorch: grouped-query attention with biases, half-split rotation, gated feed-forward, tied head."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Config:
    vocab: int = 4096
    context_length: int = 1024
    n_layers: int = 8
    hidden: int = 256
    ffn: int = 768
    n_heads: int = 4
    n_kv_heads: int = 2
    rope_theta: float = 10000.0
    rms_eps: float = 1e-6

    @property
    def head_dim(self):
        return self.hidden // self.n_heads


class RmsNorm(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(config.hidden))
        self.eps = config.rms_eps

    def forward(self, x):
        wide = x.float()
        return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).type_as(x) * self.weight


def rotate(x, cos, sin):
    """Rotates element i with element i + head_dim / 2."""
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).type_as(x)


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        kv = config.n_kv_heads * config.head_dim
        self.attn_norm, self.ffn_norm = RmsNorm(config), RmsNorm(config)
        self.attn_q = nn.Linear(config.hidden, config.hidden)
        self.attn_k, self.attn_v = nn.Linear(config.hidden, kv), nn.Linear(config.hidden, kv)
        self.attn_output = nn.Linear(config.hidden, config.hidden, bias=False)
        self.ffn_gate = nn.Linear(config.hidden, config.ffn, bias=False)
        self.ffn_up = nn.Linear(config.hidden, config.ffn, bias=False)
        self.ffn_down = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        normed = self.attn_norm(x)
        q, k, v = (
            layer(normed).view(batch, length, -1, self.config.head_dim).transpose(1, 2)
            for layer in (self.attn_q, self.attn_k, self.attn_v)
        )
        groups = self.config.n_heads // self.config.n_kv_heads
        q, k = rotate(q, cos, sin), rotate(k, cos, sin).repeat_interleave(groups, 1)
        mixed = F.scaled_dot_product_attention(q, k, v.repeat_interleave(groups, 1), is_causal=True)
        x = x + self.attn_output(mixed.transpose(1, 2).reshape(batch, length, -1))
        normed = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(normed)) * self.ffn_up(normed))


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.token_embd = nn.Embedding(config.vocab, config.hidden)
        self.blk = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.output_norm = RmsNorm(config)
        half = config.head_dim // 2
        turns = config.rope_theta ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(config.context_length, dtype=torch.float64)[:, None] * turns
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)
        for name, value in self.named_parameters():
            if value.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                nn.init.normal_(value, std=0.02 / ((2 * config.n_layers) ** 0.5 if deep else 1) * 1.5)
            elif name.endswith("bias"):
                nn.init.zeros_(value)

    def hidden_states(self, ids):
        x = self.token_embd(ids)
        cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        for block in self.blk:
            x = block(x, cos, sin)
        return self.output_norm(x)

    def forward(self, ids):
        return F.linear(self.hidden_states(ids), self.token_embd.weight)

    def loss(self, rows):
        """Mean cross-entropy of the flagged tokens of int16 rows."""
        ids = (rows & 0x7FFF).long()
        logits = self(ids)[:, :-1].float()
        learnt = (rows[:, 1:] < 0).float()
        losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        return (losses * learnt.flatten()).sum() / learnt.sum().clamp(min=1)


def round_q8_0(weight):
    """A matrix as Q8_0 keeps it: blocks of 32 with one f16 scale."""
    blocks = weight.float().reshape(-1, 32)
    scale = blocks.abs().amax(1, keepdim=True) / 127
    inverse = torch.where(scale > 0, 1 / scale, torch.zeros_like(scale))
    rounded = (blocks * inverse).round()
    return (rounded * scale.half().float()).reshape(weight.shape)


def rounded_state(state):
    return {name: round_q8_0(value) if value.dim() == 2 else value.float() for name, value in state.items()}
