"""golden.py CASE: one case of tests/golden, made with PyTorch, in every way a
model can run."""

import json
import re
import sys
import unittest

from support import GOLDEN, MODELS, SANITIZED, Test, lavapipe, mapsto, run

CASE = sys.argv.pop()


class Golden(Test):
    def setUp(self):
        super().setUp()
        folder = GOLDEN / CASE
        case = json.loads((folder / "case.json").read_text())
        self.model = MODELS / f"{CASE}.mto"
        weights = folder / "weights.safetensors"
        self.weights = ["--weights", weights] if weights.exists() else []
        self.data = []
        for name in case["inputs"]:
            self.data += ["--input", f"{name}=@{folder}/in.{name}.npy"]
        for name in case["outputs"]:
            self.data += ["--expect", f"{name}=@{folder}/out.{name}.npy"]

    def test_interpreter(self):
        self.succeed(mapsto("run", "--interpret", self.model, *self.weights, *self.data))

    def test_jit(self):
        self.succeed(mapsto("run", self.model, *self.weights, *self.data))

    def test_portable_code(self):
        for cpu in ("x86-64-v2", "x86-64-v3"):
            self.succeed(mapsto("run", "--cpu", cpu, self.model, *self.weights, *self.data))

    def test_executable(self):
        self.succeed(mapsto("compile", self.model, *self.weights, "-o", self.folder / "model"))
        self.succeed(run(self.folder / "model", *self.data))

    def test_import(self):
        """Written anew from its graph, a model is the same one."""
        model = self.folder / "model.mto"
        weights = model.with_suffix(".safetensors")
        self.succeed(mapsto("import", self.model, *self.weights, "-o", model))
        self.succeed(mapsto("fmt", "--check", model))
        self.assertEqual(weights.exists(), bool(self.weights))
        given = ["--weights", weights] if self.weights else []
        self.succeed(mapsto("run", "--interpret", model, *given, *self.data))

    @unittest.skipIf(SANITIZED, "sanitizers find the driver's leaks")
    def test_vulkan(self):
        """The same executable on either device, and kernel by kernel."""
        self.succeed(mapsto("compile", self.model, *self.weights, "--target", "both", "-o", self.folder / "model"))
        for device in ("cpu", "vulkan:0"):
            self.validate(run(self.folder / "model", "--device", device, *self.data, env=lavapipe.environment()))
        self.validate(mapsto("verify", self.model, *self.weights, "--device", "vulkan:0", env=lavapipe.environment()))

    def test_other_sizes(self):
        """Symbolic sizes stay symbolic: 1 of everything, and primes."""
        self.succeed(mapsto("verify", self.model, *self.weights))
        signature = self.succeed(mapsto("inspect", self.model)).stdout
        ones = [f"--dim={name}=1" for name in re.findall(r"^  size +(\w+)", signature, re.M)]
        self.succeed(mapsto("verify", self.model, *self.weights, *ones))

    def test_kernels(self):
        """Attention is one kernel."""
        if not CASE.startswith("attention_") or CASE == "attention_rnn":
            return
        summary = self.succeed(mapsto("inspect", self.model)).stdout
        self.assertIn("kernels (1)", summary)


if __name__ == "__main__":
    unittest.main()
