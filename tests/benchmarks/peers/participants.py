"""The processes that take part, and what each is given."""

import os
import re
import subprocess

import numpy as np

import onnx_forms
import rows

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(f"{HERE}/../../..")
BUILD = f"{ROOT}/build/peers"
RELEASE = f"{ROOT}/build/release"
ORT = f"{BUILD}/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1"
TYPES = {np.dtype(np.float32): "f32", np.dtype(np.int64): "i64"}


class Worker:
    """A process that speaks the protocol of worker.h."""

    def __init__(self, command, threads):
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        status, _, rest = self.process.stdout.readline().strip().partition(" ")
        if status != "ok":
            raise RuntimeError(rest or "the process ended")
        return rest

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Workers:
    """One worker of each kind, started when first needed."""

    def __init__(self, threads):
        self.threads, self.running = threads, {}

    def __getitem__(self, kind):
        if kind not in self.running:
            command = {
                "ours": [f"{BUILD}/mapsto_worker"],
                "ORT": [f"{BUILD}/ort_worker"],
                "OpenBLAS": [f"{BUILD}/blas_worker"],
                "PyTorch": ["/usr/bin/python3", f"{HERE}/torch_worker.py"],
            }[kind] + [str(self.threads)]
            self.running[kind] = Worker(command + ([ORT] if kind == "ORT" else []), self.threads)
        return self.running[kind]

    def close(self):
        for worker in self.running.values():
            worker.close()


class Participant:
    """One way to compute one row: a worker's kind, a form, and its case."""

    def __init__(self, kind, form, argument, outputs, restore=None):
        self.kind, self.form, self.argument, self.outputs = kind, form, argument, outputs
        self.restore = restore or (lambda results: results)
        self.name = f"{kind} {form}"
        self.id = self.name.replace(" ", "-")
        self.medians, self.least = [], float("inf")

    def prepare(self, workers):
        workers[self.kind].ask("prepare", self.id, self.argument)

    def measure(self, workers, milliseconds):
        median, least, _ = map(float, workers[self.kind].ask("measure", self.id, milliseconds).split())
        self.medians.append(median * 1e-6)
        self.least = min(self.least, least * 1e-6)

    def results(self, workers, folder):
        workers[self.kind].ask("results", self.id, folder)
        return self.restore({
            name: np.fromfile(f"{folder}/{name}.bin", np.float32).reshape(shape)
            for name, shape in self.outputs.items()
        })

    def drop(self, workers):
        workers[self.kind].ask("drop", self.id)


def folder_of(row):
    path = f"{BUILD}/rows/" + re.sub(r"\W+", "_", row.name)
    os.makedirs(path, exist_ok=True)
    return path


def write_case(path, inputs, outputs):
    lines = []
    for role, tensors in (("input", inputs), ("output", outputs)):
        for name, value in tensors.items():
            shape = value.shape if role == "input" else value
            words = [role, name, TYPES[value.dtype] if role == "input" else "f32", len(shape), *shape]
            if role == "input":
                value.tofile(f"{path}.{name}.bin")
                words.append(os.path.basename(f"{path}.{name}.bin"))
            lines.append(" ".join(map(str, words)) + "\n")
    with open(path + ".case", "w") as file:
        file.writelines(lines)


def ours(row, cpu):
    path = f"{folder_of(row)}/ours-{cpu or 'default'}"
    model = f"{HERE}/../models/{row.model}.mto"
    if not os.path.exists(model):
        model = f"{ROOT}/tests/models/{row.model}.mto"
    command = [f"{RELEASE}/tools/mapsto/mapsto", "compile", model, "--emit", "lib", "-o", path + ".so"]
    command += ["--cpu", cpu] if cpu else []
    for name, value in row.arguments.items():
        command += ["--arg", f"{name}={value}"]
    if row.weights:
        np.savez(f"{folder_of(row)}/weights.npz", **row.weights)
        command += ["--weights", f"{folder_of(row)}/weights.npz"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    write_case(path, row.inputs, row.outputs)
    return Participant("ours", cpu or "default", path, row.outputs)


def onnx_runtime(row):
    for form in onnx_forms.forms(row):
        path = f"{folder_of(row)}/ort-{form.name}"
        with open(path + ".onnx", "wb") as file:
            file.write(form.model.SerializeToString())
        write_case(path, form.inputs, form.outputs)
        yield Participant("ORT", form.name, path, form.outputs, form.restore)


def openblas(row):
    if row.kind != "product" or row.sizes["gelu"]:
        return
    weight = row.weights["linear.weight"]
    for form, right in (("wt", weight), ("w", np.ascontiguousarray(weight.T))):
        path = f"{folder_of(row)}/blas-{form}"
        write_case(path, {"x": row.inputs["x"], form: right}, row.outputs)
        yield Participant("OpenBLAS", form, path, row.outputs)


def pytorch(row):
    import torch_forms  # takes a second: only where PyTorch takes part
    for form in torch_forms.forms(row):
        yield Participant("PyTorch", form, f"{form}:{row.name}", row.outputs)


def peers(row):
    return [*onnx_runtime(row), *openblas(row), *pytorch(row)]


def names(pattern):
    return [name for name in rows.table() if re.search(pattern, name)]
