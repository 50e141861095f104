#!/usr/bin/env python3
"""Every model of a file against the interpreter: compiled for several CPUs, or
on Vulkan devices, one of them with as little as Vulkan grants.

    kernels.py FILE.mto|FILE.mlir [vulkan]

Each is compiled once for each of these and tried at random sizes (see `mapsto verify
--trials`), and at those that a line above the model lists:

    // Sizes: B=257,T=3;B=1,T=500

With its weights stored in fewer bits where a line says so:

    // Quantize: f16 int8

On Vulkan also with matrices of subgroups, emulated in these sizes (compiler/vulkan/Matrices.h),
where a line says so:

    // Matrices: 16x16x16 8x8x8
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
# lavapipe takes its time: fewer and smaller.
TRIALS_ON_VULKAN = 1
LARGEST_ON_VULKAN = 130
# Sanitizers look at the compiler and the runtime, not at the code for each CPU.
SANITIZED = os.environ.get("MAPSTO_SANITIZED")


class Model:
    """A model of a file and what the lines above it say."""

    def __init__(self):
        self.name = self.sizes = None
        self.formats = [None]
        self.matrices = []


def models(path):
    text = open(path, encoding="utf-8").read()
    model = Model()
    for line in text.splitlines():
        if line.startswith("// Sizes: "):
            model.sizes = line.removeprefix("// Sizes: ")
        elif line.startswith("// Quantize: "):
            model.formats = line.removeprefix("// Quantize: ").split()
        elif line.startswith("// Matrices: "):
            model.matrices = line.removeprefix("// Matrices: ").split()
        elif found := re.match(r"model (\w+)", line):
            model.name = found.group(1)
            yield model
            model = Model()
    if path.endswith(".mlir"):
        yield model


def targets(on_vulkan, matrices):
    """Yields options of `mapsto verify` and variables of its environment."""
    if on_vulkan:
        emulated = [{"MAPSTO_EMULATE_MATRICES": size} for size in matrices]
        for variables in ({}, lavapipe.LEAST_LIMITS, *emulated):
            yield ["--device", "vulkan", "--trials", str(TRIALS_ON_VULKAN)], {**lavapipe.environment(), **variables}
        return
    cpus = ["native"]
    if platform.machine() == "x86_64" and not SANITIZED:
        cpus += ["x86-64-v2", "x86-64-v3"]
    for cpu in cpus:
        yield ["--cpu", cpu, "--trials", str(TRIALS)], {}


def verify(path, model, weights, seed, options, variables):
    """Whether it agrees."""
    command = [os.environ["MAPSTO"], "verify", path, *options, "--seed", str(seed)]
    sizes = model.sizes
    if sizes and variables:
        sizes = ";".join(setting for setting in sizes.split(";")
                         if all(int(size) <= LARGEST_ON_VULKAN for size in re.findall(r"=(\d+)", setting)))
    for option, value in (("--model", model.name), ("--sizes", sizes), ("--quantize", weights)):
        if value:
            command += [option, value]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})
    print(run.stdout, end="")
    if run.returncode == 0 and not (variables and lavapipe.messages(run.stdout + run.stderr)):
        return True
    print(f"FAILED ({run.returncode}): {' '.join(command)}\n{run.stderr}")
    return False


def main():
    path, *device = sys.argv[1:]
    failures = 0
    for model in models(path):
        for weights in model.formats:
            for seed, (options, variables) in enumerate(targets(device == ["vulkan"], model.matrices), 1):
                failures += not verify(path, model, weights, seed, options, variables)
    sys.exit(failures != 0)


main()
