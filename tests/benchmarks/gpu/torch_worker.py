"""Times one row with PyTorch on the GPU: a row's name a line in, milliseconds (the median of runs,
by CUDA events) a line out. `limits` gives what the card reaches: f32 and f16 FLOP/s of the largest
product and bytes/s of a copy.
"""

import re
import sys

import torch
from torch.nn import functional


def milliseconds(run, runs=30):
    for _ in range(5):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(runs):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return sorted(times)[len(times) // 2]


def random(*shape, dtype=torch.float32):
    return torch.randn(*shape, device="cuda").to(dtype)


def product(size, dtype):
    x, w = random(size, size, dtype=dtype), random(size, size, dtype=dtype)
    return lambda: x @ w


def attention(length, width, causal, dtype):
    q, k, v = (random(1, 16, length, width, dtype=dtype) for _ in range(3))
    return lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


def lstm(batch, steps, size):
    layer = torch.nn.LSTM(size, size).cuda().eval()
    x = random(steps, batch, size)
    return lambda: layer(x)


def encoder(batch, tokens, layers):
    layer = torch.nn.TransformerEncoderLayer(768, 12, 3072, activation="gelu", batch_first=True)
    model = torch.nn.TransformerEncoder(layer, layers).cuda().eval()
    x = random(batch, tokens, 768)
    return lambda: model(x)


def prepared(row):
    kind, *numbers = row.split()
    dtype = torch.float16 if "f16" in kind else torch.float32
    numbers = [int(n) for n in numbers if re.fullmatch(r"\d+", n)]
    if kind.startswith("product"):
        return product(numbers[0], dtype)
    if kind.startswith("attention"):
        return attention(*numbers, "causal" in row, dtype)
    return {"lstm": lstm, "encoder": encoder}[kind](*numbers)


def limits():
    size = 8192
    flops = [2 * size**3 / milliseconds(product(size, d), 10) * 1e3 for d in (torch.float32, torch.float16)]
    x = random(1 << 28)
    y = torch.empty_like(x)
    return *flops, 2 * x.numel() * 4 / milliseconds(lambda: y.copy_(x), 10) * 1e3


def main():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_grad_enabled(False)
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}", flush=True)
    for line in sys.stdin:
        row = line.strip()
        try:
            answer = limits() if row == "limits" else (milliseconds(prepared(row)),)
            print(*answer, flush=True)
        except RuntimeError as error:  # out of memory, a kernel that is not there
            print("failed", str(error).splitlines()[0], flush=True)


main()
