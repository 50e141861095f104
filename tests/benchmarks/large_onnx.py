#!/usr/bin/env python3
"""Compiles a generated ONNX model of 1 GB and prints time and peak memory.

usage: large_onnx.py [GIGABYTES] [FOLDER]. The model is a stack of layers, a product
with 4096 x 4096 f32 and a Relu, of which 16 are 1 GB; its weights are inside the
file, and then in a file beside it.
"""

import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "e2e"))
from onnx_file import FLOAT, described, field, node  # noqa: E402

SIZE = 4096


def block(seed):
    """A layer's weights, of a size that keeps the numbers in range."""
    return struct.pack(f"<{SIZE}f", *(((i * 7919 + seed * 104729) % 2001 - 1000) * 1e-5 for i in range(SIZE))) * SIZE


def write(path, layers, external):
    """The file is written as it is made: protobuf's fields may come in any order."""
    def key(number, length):
        return field(number, b"")[:1] + varint(length)

    def varint(n):
        return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)

    nodes, value = b"", "x"
    for i in range(layers):
        nodes += field(1, node("MatMul", f"{value} w{i}", f"p{i}")) + field(1, node("Relu", f"p{i}", f"h{i}"))
        value = f"h{i}"
    head = nodes + field(2, "large") + field(11, described("x", FLOAT, ["N", SIZE]))
    head += field(12, described(value, FLOAT, ["N", SIZE]))
    tensors = []
    for i in range(layers):
        start = field(1, SIZE) + field(1, SIZE) + field(2, FLOAT) + field(8, f"w{i}")
        if external:
            entries = {"location": "data.bin", "offset": str(4 * SIZE * SIZE * i), "length": str(4 * SIZE * SIZE)}
            start += b"".join(field(13, field(1, k) + field(2, v)) for k, v in entries.items()) + field(14, 1)
        else:
            start += key(9, 4 * SIZE * SIZE)
        tensors.append(start)
    inside = 0 if external else 4 * SIZE * SIZE
    starts = [key(5, len(t) + inside) + t for t in tensors]
    with open(path, "wb") as file:
        file.write(field(1, 10) + field(8, field(2, 17)))
        file.write(key(7, len(head) + sum(len(s) + inside for s in starts)) + head)
        for i, start in enumerate(starts):
            file.write(start)
            if not external:
                file.write(block(i))
    if external:
        with open(path.parent / "data.bin", "wb") as file:
            for i in range(layers):
                file.write(block(i))


def measure(label, *command):
    start = time.time()
    process = subprocess.Popen([str(c) for c in command])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{label} failed")
    print(f"{label:44} {time.time() - start:6.1f} s  {usage.ru_maxrss / 2**20:6.2f} GiB at most", flush=True)


def main():
    layers = round(float(sys.argv[1]) * 16) if len(sys.argv) > 1 else 16
    mapsto = os.environ.get("MAPSTO", str(ROOT / "build/release/tools/mapsto/mapsto"))
    folder = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        for external in (False, True):
            where = "weights beside the file" if external else "weights in the file"
            write(folder / "large.onnx", layers, external)
            for option in ([], ["--weights-separate"]):
                measure(f"compile {' '.join(option)}, {where}", mapsto, "compile", folder / "large.onnx", *option, "-o",
                        folder / "large")
                measure("  a run on one row, 2 threads", folder / "large", "--input", "x=random:1", "--dim", "N=1", "--threads",
                        2, "--output", f"h{layers - 1}=@{folder}/out.npy")
                for path in folder.glob("large*"):
                    if path.suffix != ".onnx":
                        path.unlink()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
