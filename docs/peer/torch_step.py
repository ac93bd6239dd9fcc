"""The training step that `skein bench step` times, in PyTorch on the CPU: the same model, examples and optimiser.

    pip install torch numpy
    python torch_step.py --attn skein --n 4096 --batch 16 --lengths imdb

Prints one JSON line with fields of `skein bench step`. Run the two in turns on a machine that does nothing else.
A batch is padded to n, as PyTorch programs do it; exact attention is PyTorch's own fused kernel, and skein is
that kernel over the sampled keys and one more key, which stands for all others (ops/src/attention/skein.rs).
"""

import argparse
import json
import math
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention as attend

WIDTH, HIDDEN, HEADS, LAYERS, DROPOUT, FEATURES = 64, 128, 2, 2, 0.1, 256
REVIEWS = [890, 588, 1175, 946, 1258, 945, 395, 559, 805, 1191, 859, 745, 1339, 3516, 631, 814]


def vmean(q, k, v, lengths):
    """v (batch, heads, n, p), zero beyond the lengths (batch)."""
    return (v.sum(2, keepdim=True) / lengths.view(-1, 1, 1, 1)).expand_as(v)


def softmax(q, k, v, lengths):
    return attend(q, k, v, attn_mask=padding(lengths, k.shape[2]))


def skein(q, k, v, lengths):
    batch, heads, n, p = q.shape
    d = min(FEATURES, int(lengths.min()) - 1)
    mask = padding(lengths, n)
    # Pilot rows: the same relative places for all, with replacement; exact.
    pilots = (torch.rand(d) * lengths[:, None]).long()[:, None, :, None].expand(batch, heads, d, p)
    q_pilots = q.gather(2, pilots)
    y_pilots = attend(q_pilots, k, v, attn_mask=mask)
    with torch.no_grad():  # columns by the energies of the pilots, without replacement
        logits = q_pilots @ k.transpose(2, 3) / math.sqrt(p)
        probabilities = (logits if mask is None else logits + mask).softmax(3)
        weights = probabilities.norm(dim=2) * v.norm(dim=3)
        columns = weights.flatten(0, 1).multinomial(d).view(batch, heads, d, 1).expand(batch, heads, d, p)
    k_columns, v_columns = k.gather(2, columns), v.gather(2, columns)
    others = (lengths - d).view(-1, 1, 1, 1)
    v_others = (v.sum(2, keepdim=True) - v_columns.sum(2, keepdim=True)) / others
    keys = torch.cat([k_columns, k_columns.mean(2, keepdim=True)], 2)
    bias = torch.cat([torch.zeros(batch, 1, 1, d), others.log()], 3)
    y = attend(q, keys, torch.cat([v_columns, v_others], 2), attn_mask=bias)
    return y.scatter(2, pilots, y_pilots)


def padding(lengths, n):
    """A bias that hides keys beyond the lengths; none where there are none."""
    if int(lengths.min()) == n:
        return None
    beyond = torch.arange(n) >= lengths[:, None]
    return torch.zeros(len(lengths), n).masked_fill(beyond, -1e9)[:, None, None, :]


class Block(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention
        self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.q, self.k, self.v, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.widen, self.narrow = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x, lengths, real):
        normed = self.before_attention(x)
        q, k, v = (linear(normed).unflatten(2, (HEADS, -1)).transpose(1, 2) for linear in (self.q, self.k, self.v))
        if int(lengths.min()) < x.shape[1]:
            v = v * real[:, None]
        y = self.attention(q, k, v, lengths).transpose(1, 2).flatten(2)
        x = x + self.drop(self.out(y))
        hidden = self.drop(nn.functional.gelu(self.widen(self.before_mlp(x))))
        return x + self.drop(self.narrow(hidden))


class Classifier(nn.Module):
    def __init__(self, attention, n):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(512, WIDTH), nn.Embedding(n, WIDTH)
        self.blocks = nn.ModuleList(Block(attention) for _ in range(LAYERS))
        self.norm, self.drop = nn.LayerNorm(WIDTH), nn.Dropout(DROPOUT)
        self.head = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2))

    def forward(self, ids, lengths):
        real = (torch.arange(ids.shape[1]) < lengths[:, None]).float()[:, :, None]
        x = self.drop(self.tokens(ids) + self.positions.weight)
        for block in self.blocks:
            x = block(x, lengths, real)
        return self.head((self.norm(x) * real).mean(1))


def main():
    flags = argparse.ArgumentParser(description="Times one training step of the Text model in PyTorch")
    flags.add_argument("--attn", default="skein", choices=["skein", "softmax", "vmean"])
    flags.add_argument("--n", type=int, default=4096)
    flags.add_argument("--batch", type=int, default=16)
    flags.add_argument("--lengths", default="full", choices=["full", "imdb"])
    flags.add_argument("--threads", type=int, default=2)
    flags.add_argument("--seconds", type=float, default=20)
    parser, flags = flags, flags.parse_args()
    if flags.lengths == "imdb" and (flags.n, flags.batch) != (4096, len(REVIEWS)):
        parser.error("--lengths imdb: only with --n 4096 --batch 16 has skein bench step the same lengths")
    torch.set_num_threads(flags.threads)
    torch.manual_seed(42)

    lengths = torch.full((flags.batch,), flags.n)
    if flags.lengths == "imdb":
        lengths = torch.tensor(REVIEWS)
    ids = torch.randint(1, 257, (flags.batch, flags.n)) * (torch.arange(flags.n) < lengths[:, None])
    labels = torch.randint(0, 2, (flags.batch,))
    model = Classifier({"skein": skein, "softmax": softmax, "vmean": vmean}[flags.attn], flags.n)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, eps=1e-6, weight_decay=0)

    def step():
        start = time.perf_counter()
        optimiser.zero_grad()
        cross_entropy(model(ids, lengths), labels).backward()
        optimiser.step()
        return time.perf_counter() - start

    step()
    times, end = [], time.perf_counter() + flags.seconds
    while len(times) < 3 or (len(times) < 30 and time.perf_counter() < end):
        times.append(step())
    median, real_tokens = statistics.median(times), int(lengths.sum())
    print(json.dumps({
        "attn": flags.attn, "n": flags.n, "batch": flags.batch, "lengths": flags.lengths, "threads": flags.threads,
        "features": FEATURES, "step_s": median, "min_s": min(times), "max_s": max(times),
        "real_tokens": real_tokens, "tokens_per_s": real_tokens / median,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }))


if __name__ == "__main__":
    main()
