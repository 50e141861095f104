#!/usr/bin/env python3
"""Every model of a file, compiled for several CPUs, against the interpreter.

    kernels.py FILE.mto|FILE.mlir

Each is compiled once for a CPU and tried at random sizes (see `mapsto verify
--trials`), and at those that a line above the model lists:

    // Sizes: B=257,T=3;B=1,T=500

With its weights stored in fewer bits where a line says so:

    // Quantize: f16 int8
"""
import os
import platform
import re
import subprocess
import sys

TRIALS = 4


def models(path):
    """Yields (model or None, sizes or None, format of the weights or None)."""
    text = open(path, encoding="utf-8").read()
    if path.endswith(".mlir"):
        found = re.search(r"^// Sizes: (.*)$", text, re.M)
        yield None, found and found.group(1), None
        return
    sizes, formats = None, [None]
    for line in text.splitlines():
        if line.startswith("// Sizes: "):
            sizes = line.removeprefix("// Sizes: ")
        elif line.startswith("// Quantize: "):
            formats = line.removeprefix("// Quantize: ").split()
        elif found := re.match(r"model (\w+)", line):
            for weights in formats:
                yield found.group(1), sizes, weights
            sizes, formats = None, [None]


def main():
    path = sys.argv[1]
    cpus = ["native"]
    if platform.machine() == "x86_64":
        cpus += ["x86-64-v2", "x86-64-v3"]
    failures = 0
    for model, sizes, weights in models(path):
        for seed, cpu in enumerate(cpus, 1):
            command = [os.environ["MAPSTO"], "verify", path, "--cpu", cpu,
                       "--trials", str(TRIALS), "--seed", str(seed)]
            if model:
                command += ["--model", model]
            if sizes:
                command += ["--sizes", sizes]
            if weights:
                command += ["--quantize", weights]
            run = subprocess.run(command, capture_output=True, text=True)
            print(run.stdout, end="")
            if run.returncode:
                failures += 1
                print(f"FAILED ({run.returncode}): {' '.join(command)}\n{run.stderr}")
    sys.exit(failures != 0)


main()
