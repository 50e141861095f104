"""What compiling costs: time, and memory beside large weights."""

import json
import re
import resource
import struct
import subprocess
import sys
import unittest

from support import GOLDEN, MAPSTO, MODELS, ROOT, SANITIZED, Test, mapsto

# A multiple of what it takes on a quiet machine; CI's may be busy.
SLACK = 4
LARGE = 1 << 30


@unittest.skipIf(SANITIZED, "sanitizers change what things cost")
class CompileCost(Test):
    def total(self, *arguments):
        text = self.succeed(mapsto("compile", "--time", *arguments, "-o", self.folder / "out")).stderr
        line = [l for l in text.splitlines() if l.endswith("total")][0]
        return float(line.split()[0]) / 1000

    def test_golden_models(self):
        """Under a second each."""
        for model in sorted(MODELS.glob("*.mto")):
            with self.subTest(model.stem):
                weights = GOLDEN / model.stem / "weights.safetensors"
                options = ["--weights", weights] if weights.exists() else ["--weights", "random:1"]
                if (GOLDEN / model.stem).exists():
                    self.assertLess(self.total(model, *options), 1.0 * SLACK)

    def test_kernels(self):
        """A stack of six layers is compiled as the kernels of one, each within 0.4 s, and all within 3."""
        model = ROOT / "tests/benchmarks/models/encoder.mto"
        text = self.succeed(mapsto("compile", "--time", model, "--weights", "random:1", "--arg", "layers=6", "--arg",
                                   "width=384", "--arg", "heads=12", "--arg", "hidden=1536",
                                   "-o", self.folder / "out")).stderr
        self.assertLess(float(re.search(r"([\d.]+) ms +total", text)[1]), 3000 * SLACK)
        kernels = re.findall(r"([\d.]+) ms +[\d.]+ ms +[\d.]+ ms  (\S+)", text)
        self.assertGreater(len(kernels), 3)
        for milliseconds, kernel in kernels:
            with self.subTest(kernel):
                self.assertIn("layers_0", kernel)
                self.assertLess(float(milliseconds), 400 * SLACK)

    def test_time_does_not_depend_on_length(self):
        model = MODELS / "lstm_bidirectional.mto"
        weights = ["--weights", GOLDEN / "lstm_bidirectional/weights.safetensors"]
        short = self.total(model, *weights, "--dim", "T=4")
        long = self.total(model, *weights, "--dim", "T=100000")
        self.assertLess(long, 3 * short + 0.5)

    def test_weights_of_a_gigabyte(self):
        path = self.folder / "large.safetensors"
        rows = LARGE // (4 * 1024)
        header = json.dumps({"table.weight": {"dtype": "F32", "shape": [rows, 1024],
                                              "data_offsets": [0, LARGE]}}).encode()
        with open(path, "wb") as file:  # sparse: zeros that take no disk
            file.write(struct.pack("<Q", len(header)) + header)
            file.truncate(8 + len(header) + LARGE)
        model = self.folder / "large.mto"
        model.write_text(f"model Large {{\n  table = Embedding({rows}, 1024)\n"
                         "  (i: i64[B]) -> (y: f32[B, 1024]) { y = table(i) }\n}\n")
        # A process of its own, so that its peak is only mapsto's.
        probe = ("import resource,subprocess,sys\n"
                 "code = subprocess.run(sys.argv[1:]).returncode\n"
                 "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\nsys.exit(code)\n")
        result = subprocess.run([sys.executable, "-c", probe, MAPSTO, "compile", model, "--weights", path,
                                 "-o", self.folder / "large"], text=True, capture_output=True)
        self.succeed(result)
        peak = int(result.stdout.split()[-1]) * 1024
        self.assertLess(peak - LARGE, 1.5e9)
        self.assertGreater((self.folder / "large").stat().st_size, LARGE)


if __name__ == "__main__":
    unittest.main()
