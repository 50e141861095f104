"""`mapsto import`: a model written in the language computes what it did before."""

import pathlib
import random
import re
import unittest

from support import ROOT, Test, mapsto, write_npy

CASES = pathlib.Path("/usr/share/libonnx-testdata/data/node")


def signature(path, *options):
    """Inputs, outputs and states as (name, element, sizes), and all symbols."""
    text = mapsto("inspect", path, *options).stdout
    found = {"in": [], "out": [], "state": []}
    for kind, name, element, sizes in re.findall(r"^  (in|out|state) +(\w+) +(\w+)\[(.*?)\]", text, re.M):
        found[kind].append((name, element, [s.strip() for s in sizes.split(",") if s.strip()]))
    return found, re.findall(r"^  size +(\w+)", text, re.M)


class Import(Test):
    def data(self, inputs, sizes):
        """Inputs at random; whole numbers are small, so that they may be indices."""
        rng, given = random.Random(1), []
        known = {**sizes, "floordiv": lambda a, b: a // b, "ceildiv": lambda a, b: -(-a // b),
                 "mod": lambda a, b: a % b, "min": min, "max": max}
        for name, element, dims in inputs:
            shape = [eval(dim, {}, known) for dim in dims]
            count = 1
            for size in shape:
                count *= size
            path = self.folder / f"{name}.npy"
            whole = element not in ("f32", "f16", "f64", "bf16")
            descr = {"bool": "|b1", "bf16": "<f4"}.get(element) or f"<{element[0]}{int(element[1:]) // 8}"
            write_npy(path, shape, [rng.randint(0, 1) if whole else rng.uniform(-1, 1) for _ in range(count)], descr)
            given += ["--input", f"{name}=@{path}"]
        return given

    def same(self, path, options=(), weights="random:1"):
        """Imports a model and runs both."""
        model, stored = self.folder / "model.mto", self.folder / "model.safetensors"
        stored.unlink(missing_ok=True)
        more = ["--weights", weights] if weights else []
        self.succeed(mapsto("import", path, *options, *more, "-o", model))
        self.succeed(mapsto("fmt", "--check", model))
        before, symbols = signature(path, *options)
        after, _ = signature(model)
        shapes = [[(e, s) for _, e, s in found[kind]] for found in (before, after) for kind in ("in", "out")]
        self.assertEqual(shapes[:2], shapes[2:])
        sizes = {symbol: n for symbol, n in zip(symbols, (2, 5, 3, 7, 4, 6, 8, 9))}
        unsettled = [f"--dim={s}={n}" for s, n in sizes.items()
                     if not any(s in dims for _, _, dims in before["in"])]
        run = ["run", "--interpret", *unsettled]
        given = self.data(before["in"], sizes)
        outputs = [f"--output={name}=@{self.folder}/{i}.out.npy" for i, (name, _, _) in enumerate(before["out"])]
        first = mapsto(*run, path, *options, *more, *given, *outputs)
        if first.returncode == 1 or any(e == "bf16" for _, e, _ in before["in"]):
            return False  # these inputs mean nothing to it, or .npy files have no such type
        self.succeed(first)
        renamed = [g for (name, _, _), (old, _, _) in zip(after["in"], before["in"])
                   for g in ("--input", f"{name}=@{self.folder}/{old}.npy")]
        expect = [f"--expect={name}=@{self.folder}/{i}.out.npy" for i, (name, _, _) in enumerate(after["out"])]
        more = ["--weights", stored] if stored.exists() else []
        self.succeed(mapsto(*run, model, *more, *renamed, *expect))
        return True

    def all_of(self, paths):
        compared = total = 0
        for path in paths:
            for name in re.findall(r"^model (\w+)", path.read_text(), re.M):
                with self.subTest(f"{path.name}: {name}"):
                    total += 1
                    compared += self.same(path, ["--model", name])
        self.assertGreater(compared, total * 0.9)

    def test_examples(self):
        self.all_of([ROOT / "examples" / f"{name}.mto" for name in ("attention_variants", "recurrences")])

    def test_every_op(self):
        self.all_of(sorted((ROOT / "tests" / "kernels").glob("*.mto")))

    @unittest.skipUnless(CASES.exists(), "Debian's package libonnx-testdata is not here")
    def test_onnx(self):
        for case in ("add", "matmul_3d", "softmax_axis_1", "lstm_defaults", "gru_with_initial_bias", "reduce_mean_keepdims_example",
                     "transpose_all_permutations_3", "concat_3d_axis_1"):
            with self.subTest(case):
                self.assertTrue(self.same(CASES / f"test_{case}" / "model.onnx", weights=None))

    def test_names_and_weights(self):
        """A model says where its weights go; without -o it is printed."""
        path = ROOT / "tests" / "models" / "seq_model.mto"
        weights = ROOT / "tests" / "golden" / "seq_model" / "weights.safetensors"
        text = self.succeed(mapsto("import", path, "--weights", weights)).stdout
        self.assertIn('param rnn_weight_ih_l0: f32[16, 1] = "rnn.weight_ih_l0"', text)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.succeed(mapsto("import", path, "--weights", weights, "-o", self.folder / "a.mto",
                            "--weights-output", self.folder / "w.st"))
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["a.mto", "w.st"])
        self.assertEqual((self.folder / "a.mto").read_text(), text)
        self.succeed(mapsto("compile", self.folder / "a.mto", "--weights", self.folder / "w.st", "-o", self.folder / "a"))
        self.refuse(mapsto("import", path, "-o", self.folder / "none" / "a.mto"), "none/a.mto")


if __name__ == "__main__":
    unittest.main()
