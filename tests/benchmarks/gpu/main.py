"""Times Mapsto's shaders on a Vulkan device beside PyTorch on the same GPU: tools/bench-gpu.

With --pack FOLDER it compiles every row instead and puts the programs into FOLDER beside itself: `python3
FOLDER/main.py` then does the same on a machine that has a GPU but none of what Mapsto is built with.
"""

import argparse
import importlib.util
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MAPSTO = "build/release/tools/mapsto/mapsto"
PACKED = f"{HERE}/rows"
MODELS = os.path.join(os.path.dirname(HERE), "models")
UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}


class Row:
    """`name` is also what the PyTorch worker makes the same of. `least` is the part of PyTorch's
    speed that is the goal."""

    def __init__(self, name, arguments, flops, bytes_, least):
        self.name, self.arguments, self.flops, self.bytes, self.least = name, arguments, flops, bytes_, least

    @property
    def half(self):
        return "f16" in self.name

    @property
    def program(self):
        return f"{PACKED}/{self.name.replace(' ', '_')}"


def dims(**sizes):
    return [f for name, size in sizes.items() for f in ("--dim", f"{name}={size}")]


def product(size, dtype, least):
    width = 2 if dtype == "f16" else 4
    return Row(f"product_{dtype} {size}",
               [f"{HERE}/models.mto", "--model", f"product_{dtype}", *dims(M=size, K=size, N=size)],
               2 * size**3, 3 * size**2 * width, least)


def attention(length, width, causal, dtype, least):
    file = f"{HERE}/models.mto" if dtype == "f16" else f"{MODELS}/attention.mto"
    model = "AttentionF16" if dtype == "f16" else "Attention"
    pairs = length * (length + 1) // 2 if causal else length**2
    return Row(f"attention_{dtype} {length} {width}{' causal' if causal else ''}",
               [file, "--model", model, "--arg", f"width={width}", "--arg", f"is_causal={str(causal).lower()}",
                *dims(B=1, H=16, L=length)],
               4 * 16 * pairs * width, 4 * 16 * length * width * (2 if dtype == "f16" else 4), least)


def lstm(batch, steps, size):
    return Row(f"lstm {batch} {steps} {size}",
               [f"{MODELS}/lstm.mto", "--arg", f"input_size={size}", "--arg", f"hidden_size={size}", "--weights",
                "random:1", *dims(B=batch, T=steps)],
               16 * batch * steps * size**2, 4 * (8 * size**2 + 2 * batch * steps * size), 1.0)


def encoder(batch, tokens, layers):
    per_token = 2 * (4 * 768**2 + 2 * 768 * 3072) + 4 * tokens * 768
    return Row(f"encoder {batch} {tokens} {layers}",
               [f"{MODELS}/encoder.mto", "--arg", f"layers={layers}", "--weights", "random:1",
                *dims(B=batch, T=tokens)],
               layers * batch * tokens * per_token, layers * 4 * (4 * 768**2 + 2 * 768 * 3072), 1.0)


def rows(small):
    if small:
        return [product(64, "f32", 0.8), product(64, "f16", 0.5), attention(96, 64, False, "f32", 1.0),
                attention(96, 64, True, "f16", 0.5), lstm(1, 8, 32), encoder(1, 4, 1)]
    lengths = (1024, 4096, 16384)
    return [
        *(product(size, "f32", 0.8) for size in (512, 1024, 4096)),
        *(product(size, "f16", 0.5) for size in (1024, 4096)),
        *(attention(length, width, causal, dtype, 1.0 if dtype == "f32" else 0.5)
          for dtype in ("f32", "f16") for width in (64, 128) for causal in (False, True) for length in lengths),
        *(lstm(batch, 128, size) for batch, size in ((1, 256), (1, 512), (32, 512))),
        *(encoder(batch, tokens, 6) for batch, tokens in ((1, 16), (1, 128), (8, 128))),
    ]


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0])
    return done.stdout


def pack(row, folder):
    os.makedirs(f"{folder}/rows", exist_ok=True)
    output_of([MAPSTO, "compile", *row.arguments, "--target", "both", "-o",
               f"{folder}/rows/{os.path.basename(row.program)}"])


def check(row, device):
    """What a packed row gives on the device, held to what it gives on the CPU."""
    help_text = output_of([row.program, "--help"])
    inputs = re.findall(r"^  (\w+)", re.search(r"^inputs:\n((?:  .*\n)+)", help_text, re.M)[1], re.M)
    command = [row.program, *(f for i, name in enumerate(inputs) for f in ("--input", f"{name}=random:{i + 1}"))]
    with tempfile.TemporaryDirectory() as folder:
        output_of([*command, "--device", "cpu", "--output", f"y=@{folder}/y.npy"])
        output_of([*command, "--device", device, "--expect", f"y=@{folder}/y.npy"])


def ours(row, device, runs):
    """Milliseconds: of a call as its caller sees it, and of its kernels on the device."""
    if os.path.isdir(PACKED):
        command = [row.program, "--bench", *([str(runs)] if runs else [])]
    else:
        command = [MAPSTO, "bench", *row.arguments, *(["--runs", str(runs)] if runs else [])]
    out = output_of([*command, "--device", device])
    if "runs on vulkan" not in out:
        raise RuntimeError("it ran on the CPU")
    found = re.search(r"p50 ([\d.]+) (\w+)", out)
    kernels = re.findall(r"^ *[\d.]+% +([\d.]+) (\w+) +(\d+)", out, re.M)
    call = float(found[1]) * UNITS[found[2]]
    return call, sum(float(t) * UNITS[unit] * int(n) for t, unit, n in kernels)


class Torch:
    """The worker process; without PyTorch or its GPU, one that answers nothing."""

    def __init__(self):
        self.process = None
        if importlib.util.find_spec("torch") is None:
            print("no PyTorch: Mapsto alone", file=sys.stderr)
            return
        process = subprocess.Popen([sys.executable, f"{HERE}/torch_worker.py"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        name = process.stdout.readline().strip()
        if not name:
            print("PyTorch has no GPU: Mapsto alone", file=sys.stderr)
            return
        print(name)
        self.process = process

    def ask(self, line):
        if not self.process:
            return None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            self.process = None
        if not answer or answer[0] == "failed":
            print(f"  PyTorch: {line}: {' '.join(answer[1:])}", file=sys.stderr)
            return None
        return [float(x) for x in answer]


def main():
    parser = argparse.ArgumentParser(prog="tools/bench-gpu", description=__doc__)
    parser.add_argument("filter", nargs="*", help="rows whose name has one of these")
    # By number: without one the CPU would stand in where there is no device.
    parser.add_argument("--device", default="vulkan:0", help="vulkan:N, as `mapsto devices` numbers them")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each, alternating")
    parser.add_argument("--runs", type=int, help="runs of a turn (default: a second of them)")
    parser.add_argument("--small", action="store_true", help="sizes for a CPU driver: to try the script")
    parser.add_argument("--pack", metavar="FOLDER", help="compile the rows for another machine, time nothing")
    if os.path.isdir(PACKED):
        parser.add_argument("--check", action="store_true", help="hold results to those of the CPU first")
    options = parser.parse_args()
    chosen = [row for row in rows(options.small)
              if not options.filter or any(part in row.name for part in options.filter)]
    if os.path.isdir(PACKED):
        chosen = [row for row in chosen if os.path.exists(row.program)]
    if options.pack:
        for row in chosen:
            pack(row, options.pack)
        for file in ("main.py", "torch_worker.py"):
            shutil.copy(f"{HERE}/{file}", options.pack)
        return
    torch = Torch()
    limits = torch.ask("limits")
    if limits:
        print(f"limits: f32 {limits[0] / 1e12:.1f} TFLOP/s, f16 {limits[1] / 1e12:.1f} TFLOP/s, "
              f"{limits[2] / 1e9:.0f} GB/s")
    print("| row | ms a call | ms on the device | GFLOP/s | of the limit | PyTorch ms | PyTorch / ours | goal |")
    print("|---|---|---|---|---|---|---|---|")
    ratios, failed = [], False
    for row in chosen:
        mine, theirs = [], []
        try:
            if getattr(options, "check", False):
                check(row, options.device)
            for _ in range(options.rounds):
                mine.append(ours(row, options.device, options.runs))
                theirs.append(torch.ask(row.name))
        except RuntimeError as error:
            print(f"| {row.name} | failed: {error} ||||||| ")
            failed = True
            continue
        call, device = (statistics.median(t[i] for t in mine) for i in (0, 1))
        cells = [row.name, f"{call:.3f}", f"{device:.3f}", f"{row.flops / device / 1e6:.1f}", "", "", "", ""]
        if limits:
            bound = max(row.flops / limits[row.half], row.bytes / limits[2]) * 1e3
            cells[4] = f"{100 * bound / device:.0f} %"
        if all(theirs):
            peer = statistics.median(t[0] for t in theirs)
            ratios.append(peer / device)
            cells[5:] = [f"{peer:.3f}", f"{peer / device:.2f}", f"{row.least:.2f}"]
        print("| " + " | ".join(cells) + " |", flush=True)
    if ratios:
        mean = math.exp(statistics.mean(map(math.log, ratios)))
        print(f"geomean {mean:.2f} min {min(ratios):.2f}")
    sys.exit(failed)


main()
