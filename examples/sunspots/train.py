#!/usr/bin/env python3
"""Trains the weights of sunspots.mto: Debian's python3-torch, about two minutes.

    python3 examples/sunspots/train.py      # writes weights.safetensors beside itself

The years up to 1978 are for training; the 30 after that are kept for the test,
which the quickstart shows.
"""
import csv
import json
import pathlib
import struct

import torch
from torch import nn

HERE = pathlib.Path(__file__).resolve().parent
WINDOW = 44  # four cycles of eleven years
TEST_YEARS = 30


class Sunspots(nn.Module):
    """The same as `model Sunspots` in sunspots.mto, on a batch of windows."""

    def __init__(self, hidden=24, units=16):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.W1 = nn.Linear(hidden, units)
        self.W2 = nn.Linear(hidden, units)
        self.V = nn.Linear(units, 1)
        self.fc = nn.Linear(2 * hidden, 1)

    def forward(self, series):  # [B, T] -> [B], [B, T]
        states, _ = self.lstm(series[:, :, None] / 100)
        last = states[:, -1]
        score = self.V(torch.tanh(self.W1(states) + self.W2(last)[:, None]))
        weights = torch.softmax(score[:, :, 0], dim=1)
        context = (weights[:, :, None] * states).sum(1)
        return self.fc(torch.cat([last, context], -1))[:, 0] * 100, weights


def save_safetensors(path, tensors):
    """An 8-byte length, a JSON header, then the numbers (little-endian f32)."""
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        blob = struct.pack(f"<{tensor.numel()}f", *tensor.flatten().tolist())
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def main():
    torch.manual_seed(11)
    torch.set_num_threads(1)
    with open(HERE / "sunspots.csv") as file:
        values = torch.tensor([float(row["sunspots"]) for row in csv.DictReader(file)])
    windows = values.unfold(0, WINDOW + 1, 1)
    x, y = windows[:, :-1], windows[:, -1]
    train, test = slice(0, -TEST_YEARS), slice(-TEST_YEARS, None)

    model = Sunspots()
    steps = 1500
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for step in range(steps):
        # Other solar activity looks the same, a little stronger or weaker.
        picks = torch.randint(0, len(y[train]), (64,))
        scale = torch.empty(64).uniform_(0.8, 1.25)
        noise = torch.randn(64, WINDOW) * 3
        forecast, _ = model(x[picks] * scale[:, None] + noise)
        loss = nn.functional.smooth_l1_loss(forecast / 30, y[picks] * scale / 30)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1:5}  loss {loss.item():.4f}", flush=True)

    with torch.no_grad():
        forecast, weights = model(x[test])
    error = (forecast - y[test]).abs().mean().item()
    same = (x[test][:, -1] - y[test]).abs().mean().item()
    print(f"mean error over {TEST_YEARS} years: {error:.1f}; of 'the same as last year': {same:.1f}")
    print("last year's looks:", [round(w, 3) for w in weights[-1].tolist()])
    save_safetensors(HERE / "weights.safetensors", model.state_dict())


if __name__ == "__main__":
    main()
