#!/usr/bin/env python3
"""usage: microsoft.py [--device NAME] [FILTER ...]: ops of com.microsoft against what ONNX Runtime computed
       microsoft.py --record LIBRARY: that once more, by libonnxruntime.so

The cases are in microsoft_cases.py, the outputs of ONNX Runtime in microsoft.json: type, shape and bytes (base64)."""

import argparse
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import microsoft_cases as cases
import onnx_file as onnx

HERE = pathlib.Path(__file__).parent
RECORDED = HERE / "microsoft.json"
MAPSTO = os.environ.get("MAPSTO", str(HERE.parent.parent / "build/release/tools/mapsto/mapsto"))


def record(library):
    import ort
    runtime = ort.Runtime(library)
    recorded = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in cases.CASES:
            model, inputs = cases.build(name)
            path = pathlib.Path(folder) / "model.onnx"
            path.write_bytes(model)
            tensors = []
            for i, tensor in enumerate(inputs):
                (path.parent / f"input_{i}.pb").write_bytes(onnx.tensor("x", *tensor))
                tensors.append(ort.Tensor(path.parent / f"input_{i}.pb"))
            session = runtime.made("CreateSession", runtime.environment, str(path).encode(), runtime.options)
            recorded[name] = [[kind, shape, base64.b64encode(raw).decode()]
                              for kind, shape, raw in runtime.run(session, tensors)]
    RECORDED.write_text("{\n" + ",\n".join(f'"{n}": {json.dumps(r)}' for n, r in recorded.items()) + "\n}\n")
    return 0


def run(name, outputs, device):
    """What is wrong with a case; empty for nothing."""
    model, inputs = cases.build(name)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "model.onnx").write_bytes(model)
        for i, tensor in enumerate(inputs):
            (folder / f"input_{i}.pb").write_bytes(onnx.tensor(f"x{i}", *tensor))
        for i, (kind, shape, raw) in enumerate(outputs):
            (folder / f"output_{i}.pb").write_bytes(
                onnx.field(1, shape) + onnx.field(2, kind) + onnx.field(9, base64.b64decode(raw)))
        result = subprocess.run([MAPSTO, "run", folder / "model.onnx", "--device", device, "--test-data", folder],
                                capture_output=True, text=True)
        return result.stderr.strip() or "failed" if result.returncode else ""


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[0][7:])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--record")
    parser.add_argument("filters", nargs="*")
    arguments = parser.parse_args()
    if arguments.record:
        return record(arguments.record)
    recorded = json.loads(RECORDED.read_text())
    if list(recorded) != list(cases.CASES):
        print("microsoft.json is not of these cases: record it anew (--record LIBRARY)", file=sys.stderr)
        return 1
    failed = 0
    for name, outputs in recorded.items():
        if arguments.filters and not any(f in name for f in arguments.filters):
            continue
        if why := run(name, outputs, arguments.device):
            failed += 1
            print(f"{name}: {why}", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
