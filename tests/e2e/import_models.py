"""`mapsto import`: a model written in the language computes what it did before."""

import json
import pathlib
import random
import re
import unittest

from support import ROOT, Test, mapsto, run, write_npy

CASES = pathlib.Path("/usr/share/libonnx-testdata/data/node")
MODELS = ROOT.parent / "shared" / "models"


TENSOR = r"(?://+ `(.*?)`\s+)?(\w+): (\w+)\[(.*?)\]"


def signature(text):
    """Inputs, outputs and states of an imported model: (its name before, name,
    element, sizes)."""
    head = re.search(r"\n  \((.*?)\) -> \((.*?)\) \{", text, re.S)
    states = "\n".join(re.findall(r"^  state (.*)", text, re.M))
    return [[(old or new, new, element, [s.strip() for s in sizes.split(",") if s.strip()])
             for old, new, element, sizes in re.findall(TENSOR, part)] for part in (*head.groups(), states)]


class Import(Test):
    def data(self, inputs, sizes):
        """Inputs at random as .npy files; whole numbers are small, so that they may be indices."""
        rng = random.Random(1)
        known = {**sizes, "floordiv": lambda a, b: a // b, "ceildiv": lambda a, b: -(-a // b),
                 "mod": lambda a, b: a % b, "min": min, "max": max}
        for _, name, element, dims in inputs:
            shape = [eval(dim, {}, known) for dim in dims]
            count = 1
            for size in shape:
                count *= size
            whole = element not in ("f32", "f16", "f64")
            descr = "|b1" if element == "bool" else f"<{element[0]}{int(element[1:]) // 8}"
            values = [rng.randint(0, 1) if whole else rng.uniform(-1, 1) for _ in range(count)]
            write_npy(self.folder / f"{name}.npy", shape, values, descr)

    def same(self, path, options=(), weights="random:1"):
        """Imports a model and runs both."""
        model, stored = self.folder / "model.mto", self.folder / "model.safetensors"
        stored.unlink(missing_ok=True)
        more = ["--weights", weights] if weights else []
        self.succeed(mapsto("import", path, *options, *more, "-o", model))
        inputs, outputs, states = signature(model.read_text())
        if any(element == "bf16" for _, _, element, _ in inputs):
            return False  # .npy files have no such type
        alone = {dim: None for *_, dims in inputs for dim in dims if dim.isidentifier()}
        others = {dim: None for *_, dims in states for dim in dims if dim.isidentifier() and dim not in alone}
        sizes = dict(zip([*alone, *others], (2, 11, 5, 7, 4, 6, 8, 9)))
        self.data(inputs, sizes)
        run = ["run", "--interpret", *(f"--dim={name}={sizes[name]}" for name in others)]
        first = mapsto(*run, path, *options, *more,
                       *(f"--input={old}=@{self.folder}/{new}.npy" for old, new, *_ in inputs),
                       *(f"--output={old}=@{self.folder}/{new}.out.npy" for old, new, *_ in outputs))
        if first.returncode == 1:
            return False  # these inputs mean nothing to it: nothing is to be the same
        self.succeed(first)
        more = ["--weights", stored] if stored.exists() else []
        self.succeed(mapsto(*run, model, *more,
                            *(f"--input={new}=@{self.folder}/{new}.npy" for _, new, *_ in inputs),
                            *(f"--expect={new}=@{self.folder}/{new}.out.npy" for _, new, *_ in outputs)))
        return True

    def all_of(self, paths):
        compared = total = 0
        for path in paths:
            for name in re.findall(r"^model (\w+)", path.read_text(), re.M):
                with self.subTest(f"{path.name}: {name}"):
                    total += 1
                    compared += self.same(path, ["--model", name])
        self.assertGreater(compared, total * 0.85)

    def test_examples(self):
        self.all_of([ROOT / "examples" / f"{name}.mto" for name in ("attention_variants", "recurrences")])

    def test_every_op(self):
        self.all_of(sorted((ROOT / "tests" / "kernels").glob("*.mto")))

    @unittest.skipUnless(CASES.exists(), "Debian's package libonnx-testdata is not here")
    def test_onnx(self):
        for case in ("add", "matmul_3d", "softmax_axis_1", "lstm_defaults", "gru_with_initial_bias", "reduce_mean_keepdims_example",
                     "transpose_all_permutations_3", "concat_3d_axis_1", "add_uint8", "max_uint16", "bitshift_right_uint32",
                     "max_uint64", "min_int16", "dequantizelinear", "quantizelinear"):
            with self.subTest(case):
                self.assertTrue(self.same(CASES / f"test_{case}" / "model.onnx", weights=None))

    @unittest.skipUnless(MODELS.exists(), "the models are not here (../shared/models)")
    def test_real_models(self):
        """What is imported compiles alone, and computes what ONNX Runtime did; it reads as its author named it."""
        fixed = ["--set", "sr=16000", "--dim", "input_1=576"]
        for name, options, references, reads in (
                ("silero_vad", fixed, ["silero_v6_16k", "silero_v6_16k_b3"],
                 ["// encoder/0/reparam_conv\n", "  stft_conv = conv1d(", "param decoder_decoder_2_weight: "]),
                ("kwt1", [], ["kwt1_yes", "kwt1_no"], [" = attend("]),
                ("stories260K", [], ["ref_stories260K"],
                 ["// layers.4/ffn_norm\n", "layers_0_wq_MatMul_weight: f32[64, 64] = \"onnx::MatMul_1729\"",
                  "mask(i, j) = j <= i\n"])):
            folder, text, model = MODELS / name, self.folder / f"{name}.mto", self.folder / name
            self.succeed(mapsto("import", folder / f"{name}.onnx", *options, "-o", text))
            self.succeed(mapsto("fmt", "--check", text))
            source = text.read_text()
            for line in reads:
                self.assertIn(line, source)
            self.succeed(mapsto("compile", text, "--weights", text.with_suffix(".safetensors"), "-o", model))
            for reference in references:
                with self.subTest(name, reference=reference):
                    manifest = json.loads((folder / reference / "manifest.json").read_text())
                    inputs, _, states = signature(source)
                    names = {old: new for old, new, *_ in inputs}
                    self.succeed(run(
                        model,
                        *(f"--input={names[old]}=@{folder / reference / tensor['file']}"
                          for old, tensor in manifest["inputs"].items() if old in names),
                        *(f"--expect={old}=@{folder / reference / tensor['file']}"
                          for old, tensor in manifest["outputs"].items())))

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
