#!/usr/bin/env python3
"""Every model of a file against the interpreter: compiled for several CPUs, or
on Vulkan devices, one of them with as little as Vulkan grants.

    kernels.py FILE.mto|FILE.mlir [vulkan]

Each is compiled once for each of these and tried at random sizes (see `mapsto verify
--trials`), and at those that a line above the model lists:

    // Sizes: B=257,T=3;B=1,T=500

With its weights stored in fewer bits where a line says so:

    // Quantize: f16 int8
"""
import os
import platform
import pathlib
import re
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "vulkan"))
import lavapipe  # noqa: E402

TRIALS = 4
TRIALS_ON_VULKAN = 2


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


def targets(on_vulkan):
    """Yields options of `mapsto verify` and variables of its environment."""
    if on_vulkan:
        for limits in ({}, lavapipe.LEAST_LIMITS):
            yield ["--device", "vulkan", "--trials", str(TRIALS_ON_VULKAN)], {**lavapipe.environment(), **limits}
        return
    cpus = ["native"]
    if platform.machine() == "x86_64":
        cpus += ["x86-64-v2", "x86-64-v3"]
    for cpu in cpus:
        yield ["--cpu", cpu, "--trials", str(TRIALS)], {}


def main():
    path, *device = sys.argv[1:]
    failures = 0
    for model, sizes, weights in models(path):
        for seed, (options, variables) in enumerate(targets(device == ["vulkan"]), 1):
            command = [os.environ["MAPSTO"], "verify", path, *options, "--seed", str(seed)]
            if model:
                command += ["--model", model]
            if sizes:
                command += ["--sizes", sizes]
            if weights:
                command += ["--quantize", weights]
            run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})
            print(run.stdout, end="")
            if run.returncode or (variables and lavapipe.messages(run.stdout + run.stderr)):
                failures += 1
                print(f"FAILED ({run.returncode}): {' '.join(command)}\n{run.stderr}")
    sys.exit(failures != 0)


main()
