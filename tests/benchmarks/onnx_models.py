#!/usr/bin/env python3
"""Times the models of ../shared/models beside ONNX Runtime, in turns.

usage: onnx_models.py LIBONNXRUNTIME [ROUNDS]. Prints, for one and two threads, the
least and the median of both in ms; the time to the first result, ours from the
process's start to its end, theirs from the loading of the library on, in a process
of its own; the most memory, ours of the whole process, theirs what the library and
the session add to it; and what each ships: the executable, and the library with the
model.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.append(str(ROOT / "tests" / "conformance"))
import ort  # noqa: E402

MODELS = ROOT.parent / "shared" / "models"
KINDS = {"float32": 1, "int64": 7}
ROWS = {
    "silero_vad": ("silero_vad/silero_vad.onnx", "silero_vad/silero_v6_16k", ["--set", "sr=16000", "--dim", "input_1=576"]),
    "kwt1": ("kwt1/kwt1.onnx", "kwt1/kwt1_yes", []),
    "stories260K": ("stories260K/stories260K.onnx", "stories260K/ref_stories260K", []),
}


def raw(path):
    data = path.read_bytes()
    return data[10 + int.from_bytes(data[8:10], "little"):]


class Given:
    """An input as ort.Runtime takes it."""

    def __init__(self, tensor, folder):
        self.raw, self.shape, self.type = raw(folder / tensor["file"]), tensor["dims"], KINDS[tensor["type"]]


class Theirs:
    def __init__(self, library, model, inputs, threads):
        self.runtime = ort.Runtime(library)
        self.runtime.call("SetIntraOpNumThreads", self.runtime.options, ort.ctypes.c_int(threads))
        self.session = self.runtime.made("CreateSession", self.runtime.environment, str(model).encode(), self.runtime.options)
        self.inputs = inputs

    def times(self, runs):
        out = []
        for _ in range(runs):
            start = time.perf_counter()
            self.runtime.run(self.session, self.inputs)
            out.append((time.perf_counter() - start) * 1e3)
        return out


def ours(executable, line, runs, threads):
    """Least and median of a process's runs, in ms."""
    text = subprocess.run([executable, *line, "--threads", str(threads), "--bench", str(runs)], capture_output=True, text=True,
                          check=True).stdout
    scale = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1e3}
    found = {name: float(number) * scale[unit]
             for name, number, unit in re.findall(r"(min|least|median|p50)\D{1,3}([\d.]+) (ns|us|µs|ms|s)\b", text)}
    return found.get("min", found.get("least")), found.get("median", found.get("p50"))


def first(command):
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - start) * 1e3


def most_memory(process="self"):
    """In MB. (What getrusage tells of a process began as its parent's.)"""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else 0


def ours_most_memory(command):
    process, most = subprocess.Popen([*command, "--bench", "1000"], stdout=subprocess.DEVNULL), 0
    while process.poll() is None:
        most = max(most, most_memory(process.pid))
        time.sleep(0.01)
    return most


def theirs_first(library, name, threads):
    """Prints the first result's time and memory of theirs, in this process."""
    file, reference, _ = ROWS[name]
    inputs = inputs_of(MODELS / reference)
    before, start = most_memory(), time.perf_counter()
    Theirs(library, MODELS / file, inputs, threads).times(1)
    print((time.perf_counter() - start) * 1e3, most_memory() - before)


def inputs_of(data):
    return [Given(t, data) for t in json.loads((data / "manifest.json").read_text())["inputs"].values()]


def main():
    if sys.argv[1] == "--first":
        return theirs_first(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    library, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    mapsto = os.environ.get("MAPSTO", str(ROOT / "build/release/tools/mapsto/mapsto"))
    print("| model | threads | Mapsto, ms | ONNX Runtime, ms | ratio | first result, ms | memory, MB | to ship, MB |\n"
          "|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, (file, reference, options) in ROWS.items():
            model, data, executable = MODELS / file, MODELS / reference, pathlib.Path(folder) / name
            subprocess.run([mapsto, "compile", model, *options, "--cpu", "native", "-o", executable], check=True)
            inputs = json.loads((data / "manifest.json").read_text())["inputs"]
            line = [f"--input={n}=@{data / t['file']}" for n, t in inputs.items() if n != "sr"]
            size = (executable.stat().st_size / 1e6, (os.stat(library).st_size + model.stat().st_size) / 1e6)
            for threads in (1, 2):
                theirs = Theirs(library, model, inputs_of(data), threads)
                theirs.times(3)
                mine, other = [], []
                for _ in range(rounds):
                    mine.append(ours(executable, line, 50, threads))
                    other.append((min(times := theirs.times(50)), statistics.median(times)))
                least = [min(side)[0] for side in (mine, other)]
                middle = [statistics.median(m for _, m in side) for side in (mine, other)]
                command = [executable, *line, "--threads", str(threads)]
                begun = [(min(first(command) for _ in range(5)), ours_most_memory(command))]
                begun.append(min(tuple(map(float, subprocess.run(
                    [sys.executable, __file__, "--first", library, name, str(threads)], capture_output=True, text=True,
                    check=True).stdout.split())) for _ in range(5)))
                print(f"| {name} | {threads} | {least[0]:.3f} ({middle[0]:.3f}) | {least[1]:.3f} ({middle[1]:.3f}) | "
                      f"{least[1] / least[0]:.2f} | {begun[0][0]:.1f}, {begun[1][0]:.1f} | {begun[0][1]:.1f}, {begun[1][1]:.1f} | "
                      f"{size[0]:.1f}, {size[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
