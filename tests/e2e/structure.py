"""What `inspect` says a model was cut into: attention is one kernel that stores
no scores, a recurrence is one matmul and one time loop."""

import re
import unittest

from support import ROOT, Test, mapsto

ATTENTION = """
fn attention(q: f32[B, 8, L, 64], k: f32[B, 8, S, 64], v: f32[B, 8, S, 64]) -> f32[B, 8, L, 64] {
  attend(q, k, v, causal = true)
}
model Layer {
  project = Linear(512, 512)
  (x: f32[B, L, 512]) -> (y: f32[B, L, 512]) {
    q = split_heads(project(x), 8)
    y = merge_heads(attend(q, q, q)) + x
  }
}
"""


def bytes_of(text):
    number, unit = re.search(r"([\d.]+) ([kMG]?)B", text).groups()
    return float(number) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit]


class Structure(Test):
    def inspect(self, text, *options):
        path = self.folder / "model.mto"
        path.write_text(text)
        return self.succeed(mapsto("inspect", path, *options)).stdout

    def kinds(self, summary):
        section = summary.split("\nkernels", 1)[1].split("\nschedule", 1)[0]
        return re.findall(r"^  \d+ +(\w+)", section, re.M)

    def test_attention_memory_grows_linearly(self):
        self.assertEqual(self.kinds(self.inspect(ATTENTION, "--model", "attention")), ["attention"])
        peaks, scratch = [], []
        for length in (1024, 4096, 16384):
            text = self.inspect(ATTENTION, "--model", "Layer", "--dim", "B=1", "--dim", f"L={length}")
            peaks.append(bytes_of(re.search(r"peak +(.*)", text).group(1)))
            scratch.append(bytes_of(re.search(r"one thread +(.*)", text).group(1)))
        for less, more in zip(peaks, peaks[1:]):
            self.assertLess(more, 4.2 * less)
        self.assertLess(scratch[-1], 16384 * 64 * 4 * 3)  # some rows at most, no score matrix of 1 GB

    def test_recurrences(self):
        for layer in ("RNN", "LSTM", "GRU"):
            text = (f"model M {{\n  r = {layer}(8, 16)\n"
                    "  (x: f32[B, T, 8]) -> (y: f32[B, T, 16]) { (y, _) = r(x) }\n}\n")
            self.assertEqual(self.kinds(self.inspect(text)), ["matmul", "scan"], layer)

    def test_examples(self):
        for file, models in {"attention_variants": {"Additive": "attention", "Local": "attention"},
                             "recurrences": {"MinGRU": "scan", "Surprise": "scan"}}.items():
            path = ROOT / "examples" / f"{file}.mto"
            for model, kind in models.items():
                with self.subTest(model):
                    self.succeed(mapsto("verify", path, "--model", model))
                    summary = self.succeed(mapsto("inspect", path, "--model", model)).stdout
                    self.assertEqual(self.kinds(summary).count(kind), 1)

    def test_twelve_layers(self):
        text = """
model Deep {
  layers = [TransformerEncoderLayer(64, 4, 128) for i in 0..12]
  (x: f32[B, T, 64]) -> (y: f32[B, T, 64]) {
    y = x
    for layer in layers {
      y = layer(y)
    }
  }
}
"""
        path = self.folder / "deep.mto"
        path.write_text(text)
        result = self.succeed(mapsto("compile", path, "--weights", "random:1", "--time", "-o", self.folder / "deep"))
        total = float(re.search(r"([\d.]+) ms +total", result.stderr).group(1))
        self.assertLess(total, 5000)
        self.succeed(mapsto("verify", path))


if __name__ == "__main__":
    unittest.main()
