"""Weights in fewer bits: what --quantize refuses, reports and computes, and
what becomes of files that are narrow already."""

import math
import random
import re
import struct
import unittest

from support import GOLDEN, MAPSTO, MODELS, Test, mapsto, run, safetensors, write_npy

LAYERS = """
model Layers {
  emb = Embedding(9, 40)
  fc = Linear(40, 130)
  (i: i64[B]) -> (y: f32[B, 130]) { y = fc(emb(i)) }
}
"""
# Largest error of an element, relative to itself (f16, bf16) or to its row's
# largest (int8): half of the last bit.
UNIT = {"f16": 2**-11, "bf16": 2**-8, "int8": 0.5 / 127}


def read_npy(path):
    """The elements of an f32 .npy file."""
    data = path.read_bytes()
    begin = 10 + struct.unpack("<H", data[8:10])[0]
    return [x for x, in struct.iter_unpack("<f", data[begin:])]


class Quantize(Test):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "layers.mto"
        self.model.write_text(LAYERS)
        made = random.Random(1)
        self.tensors = {"emb.weight": ([9, 40], [made.uniform(-1, 1) for _ in range(360)]),
                        "fc.weight": ([130, 40], [made.uniform(-1, 1) for _ in range(5200)]),
                        "fc.bias": ([130], [made.uniform(-1, 1) for _ in range(130)])}

    def write(self, name, dtype="F32", code="f"):
        """The weights as a file of one element type."""
        header, data = {}, b""
        for key, (shape, values) in self.tensors.items():
            part = struct.pack(f"<{len(values)}{code}", *values)
            header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
            data += part
        path = self.folder / name
        path.write_bytes(safetensors(header, data))
        return path

    def outputs(self, *command):
        out = self.folder / "y.npy"
        self.succeed(run(*command, "--input", "i=0,3,8", "--output", f"y=@{out}"))
        return read_npy(out)

    def test_refusals(self):
        weights = self.write("w.safetensors")
        self.refuse(mapsto("run", self.model, "--weights", weights, "--quantize", "int4", "--input", "i=1"),
                    "--quantize needs f16, bf16 or int8, not `int4`")
        plain = self.folder / "plain.mto"
        plain.write_text("model M {\n  param b: f32[4]\n  (x: f32[B, 4]) -> (y: f32[B, 4]) { y = x + b }\n}\n")
        self.refuse(mapsto("verify", plain, "--quantize", "int8"), "no matrix of f32 weights")
        self.succeed(mapsto("compile", self.model, "--weights", weights, "-o", self.folder / "m"))
        self.refuse(mapsto("run", self.folder / "m", "--quantize", "f16", "--input", "i=1"), "compiled already")

    def test_what_cannot_be_stored(self):
        self.tensors["fc.weight"][1][77] = 70000.0
        weights = self.write("w.safetensors")
        arguments = ["--weights", weights, "--input", "i=1"]
        self.refuse(mapsto("run", self.model, *arguments, "--quantize", "f16"), "`fc.weight` has the value 70000")
        self.succeed(mapsto("run", self.model, *arguments, "--quantize", "bf16"))
        self.tensors["fc.weight"][1][77] = math.inf
        self.write("w.safetensors")
        self.refuse(mapsto("run", self.model, *arguments, "--quantize", "int8"), "`fc.weight` has the value inf")

    def test_report(self):
        weights = self.write("w.safetensors")
        sizes = {}
        for weight_format, unit in UNIT.items():
            out = self.folder / weight_format
            text = self.succeed(mapsto("compile", self.model, "--weights", weights, "--quantize", weight_format,
                                       "-o", out)).stdout
            rows = [re.split(r"  +", line) for line in text.splitlines()]
            self.assertEqual([row[0] for row in rows], ["weight", "emb.weight", "fc.weight", "all"])
            self.assertEqual(rows[2][1], "[130, 40]")
            stored = 5200 + 4 * 130 if weight_format == "int8" else 2 * 5200
            self.assertEqual(rows[2][2], f"20.8 kB -> {stored / 1000:.3g} kB")
            # Two digits are printed.
            for row in rows[1:]:
                self.assertLessEqual(float(row[3]), 1.05 * unit)
                self.assertLessEqual(float(row[4]), 1.05 * unit * (math.sqrt(3) if weight_format == "int8" else 1))
                self.assertGreater(float(row[4]), unit / 10)
            sizes[weight_format] = out.stat().st_size
        self.assertLess(sizes["int8"], sizes["f16"])

    def test_what_would_not_be_smaller(self):
        """A row of one element is smaller than a byte and a scale."""
        model = self.folder / "column.mto"
        model.write_text("model Column {\n  fc = Linear(1, 40)\n  last = Linear(40, 1)\n"
                         "  (x: f32[B, 1]) -> (y: f32[B, 1]) { y = last(fc(x)) }\n}\n")
        text = self.succeed(mapsto("compile", model, "--weights", "random:1", "--quantize", "int8",
                                   "-o", self.folder / "m")).stdout
        lines = text.splitlines()
        self.assertEqual([line.split()[0] for line in lines[:-1]], ["weight", "last.weight", "all"])
        self.assertEqual(lines[-1], "as they were, since with their scales they would not be smaller: fc.weight")
        self.succeed(mapsto("verify", model, "--weights", "random:1", "--quantize", "int8"))

    def test_arithmetic(self):
        """Results differ from those of f32 by what the formats allow, and
        those of the executable, the JIT and the interpreter agree."""
        weights = ["--weights", self.write("w.safetensors")]
        plain = [MAPSTO, "run", self.model, *weights]
        exact = self.outputs(*plain)
        rows = [self.tensors["emb.weight"][1][40 * i:40 * i + 40] for i in (0, 3, 8)]
        matrix = self.tensors["fc.weight"][1]
        for weight_format, unit in UNIT.items():
            got = self.outputs(*plain, "--quantize", weight_format)
            also = self.outputs(*plain, "--quantize", weight_format, "--interpret")
            out = self.folder / "m"
            self.succeed(mapsto("compile", self.model, *weights, "--quantize", weight_format, "-o", out))
            compiled = self.outputs(out)
            differs = False
            for at, (x, y, z, w) in enumerate(zip(exact, got, also, compiled)):
                row, column = rows[at // 130], matrix[40 * (at % 130):40 * (at % 130) + 40]
                largest = [max(map(abs, row)), max(map(abs, column))]
                bound = 1e-5  # of the sums in f32
                for a, b in zip(row, column):
                    # Of a product of two, each with an error of at most:
                    da, db = (unit * (m if weight_format == "int8" else abs(v))
                              for v, m in zip((a, b), largest))
                    bound += abs(a) * db + abs(b) * da + da * db
                self.assertLessEqual(abs(x - y), bound)
                self.assertAlmostEqual(y, z, delta=1e-5)
                self.assertAlmostEqual(y, w, delta=1e-5)
                differs |= x != y
            self.assertTrue(differs)

    def test_narrow_files(self):
        """A file's own f16 and bf16 are kept: nothing is lost or gained."""
        wide = self.folder / "wide"
        self.succeed(mapsto("compile", self.model, "--weights", self.write("w.safetensors"), "-o", wide))
        for dtype, code in (("F16", "e"), ("BF16", "H")):
            if dtype == "F16":
                narrow = {k: (s, [struct.unpack("<e", struct.pack("<e", v))[0] for v in values])
                          for k, (s, values) in self.tensors.items()}
                raw = narrow
            else:
                bits = {k: (s, [struct.unpack("<I", struct.pack("<f", v))[0] >> 16 for v in values])
                        for k, (s, values) in self.tensors.items()}
                narrow = {k: (s, [struct.unpack("<f", struct.pack("<I", v << 16))[0] for v in values])
                          for k, (s, values) in bits.items()}
                raw = bits
            self.tensors = raw
            file = self.write("n.safetensors", dtype, code)
            self.tensors = narrow
            same = self.write("s.safetensors")
            for got, expected in zip(*(self.outputs(MAPSTO, "run", self.model, "--weights", f) for f in (file, same))):
                self.assertAlmostEqual(got, expected, delta=1e-5)
            out = self.folder / dtype
            self.assertEqual(self.succeed(mapsto("compile", self.model, "--weights", file, "-o", out)).stdout, "")
            saved = wide.stat().st_size - out.stat().st_size
            self.assertGreater(saved, 2 * (360 + 5200) - 4096)

    def test_every_f16(self):
        """All of them are widened right, whatever instructions there are."""
        model = self.folder / "widen.mto"
        model.write_text("model Widen {\n  (x: f16[N]) -> (y: f32[N]) { y = cast(x, f32) }\n}\n")
        bits = range(1 << 16)
        every = struct.pack(f"<{len(bits)}H", *bits)
        write_npy(self.folder / "x.npy", [len(bits)], bits, "<u2")
        data = (self.folder / "x.npy").read_bytes()
        (self.folder / "x.npy").write_bytes(data.replace(b"<u2", b"<f2"))
        out = self.folder / "y.npy"
        for cpu in ("native", "x86-64-v2", "x86-64-v3"):
            self.succeed(mapsto("run", model, "--cpu", cpu, "--input", f"x=@{self.folder / 'x.npy'}",
                                "--output", f"y=@{out}"))
            for got, (expected,) in zip(read_npy(out), struct.iter_unpack("<e", every)):
                if math.isnan(expected):
                    self.assertTrue(math.isnan(got))
                else:
                    self.assertEqual((got, math.copysign(1, got)), (expected, math.copysign(1, expected)))

    def test_golden_models(self):
        """Trained-like weights: the whole model against itself, interpreted."""
        for case in ("encoder_prenorm", "seq2seq", "bahdanau", "gru_bidirectional"):
            weights = GOLDEN / case / "weights.safetensors"
            for weight_format in UNIT:
                self.succeed(mapsto("verify", MODELS / f"{case}.mto", "--weights", weights,
                                    "--quantize", weight_format))


if __name__ == "__main__":
    unittest.main()
