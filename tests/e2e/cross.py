"""Executables for the other architecture, run by an emulator: the results of the
golden cases, where the C library to link with and the emulator are installed."""

import json
import os
import pathlib
import shutil
import unittest

from support import GOLDEN, MAPSTO, MODELS, Test, mapsto, run

TRIPLE = "aarch64-linux-gnu"
SYSROOT = pathlib.Path("/usr") / TRIPLE
EMULATOR = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
RUNTIME = pathlib.Path(MAPSTO).resolve().parent / "../lib/mapsto/aarch64/libmapsto_runtime.a"

# Attention of several kinds, scans in both directions, loops that decode, and a transformer's layers.
CASES = ("attention_causal", "attention_gqa", "attention_hard", "bahdanau", "classifier", "decoder",
         "encoder_prenorm", "gru_bidirectional", "lstm_bidirectional", "mha_cross", "seq_model", "translate")


@unittest.skipUnless(EMULATOR and RUNTIME.exists(), "no C library for aarch64, or no qemu-user")
class Emulated(Test):
    def emulate(self, program, *arguments):
        return run(EMULATOR, "-L", SYSROOT, program, *arguments)

    def compile(self, model, *options):
        program = self.folder / "model"
        self.succeed(mapsto("compile", model, *options, "--target-triple", TRIPLE, "-o", program))
        self.assertEqual(program.read_bytes()[18], 183)  # EM_AARCH64
        return program

    def test_golden(self):
        for name in CASES:
            with self.subTest(name):
                folder = GOLDEN / name
                case = json.loads((folder / "case.json").read_text())
                weights = folder / "weights.safetensors"
                program = self.compile(MODELS / f"{name}.mto", *(["--weights", weights] if weights.exists() else []))
                data = []
                for value in case["inputs"]:
                    data += ["--input", f"{value}=@{folder}/in.{value}.npy"]
                for value in case["outputs"]:
                    data += ["--expect", f"{value}=@{folder}/out.{value}.npy"]
                self.succeed(self.emulate(program, *data))

    def test_narrow_weights(self):
        """Weights in fewer bits, widened here as there."""
        folder = GOLDEN / "seq_model"
        x = ["--input", f"x=@{folder}/in.x.npy"]
        for narrow in ("f16", "bf16", "int8"):
            options = ["--weights", folder / "weights.safetensors", "--quantize", narrow]
            native = self.folder / "y.npy"
            self.succeed(mapsto("run", MODELS / "seq_model.mto", *options, *x, "--output", f"y=@{native}"))
            program = self.compile(MODELS / "seq_model.mto", *options)
            self.succeed(self.emulate(program, *x, "--expect", f"y=@{native}"))

    def test_top_values(self):
        """Choices are the same choices: top values, their places, and a mask by comparison."""
        model = self.folder / "top.mto"
        model.write_text("""model Top {
  (x: f32[B, N]) -> (best: f32[B, 3], at: i64[B, 3], few: f32[B, N]) {
    (best, at) = topk(x, 3)
    few = where(x > mean(x, axis=-1, keepdims=true), x, 0)
  }
}
""")
        inputs = ["--dim", "B=5", "--dim", "N=101", "--input", "x=random:7"]
        options = [f"--output={name}" for name in ("best", "at", "few")]
        native = self.succeed(mapsto("run", model, *inputs, *options)).stdout
        self.assertEqual(self.succeed(self.emulate(self.compile(model), *inputs, *options)).stdout, native)

    def test_static(self):
        folder = GOLDEN / "seq_model"
        program = self.compile(MODELS / "seq_model.mto", "--weights", folder / "weights.safetensors", "--static")
        self.succeed(run(EMULATOR, program, "--input", f"x=@{folder}/in.x.npy", "--expect", f"y=@{folder}/out.y.npy"))


    def test_shaders_go_along(self):
        """There is no Vulkan for the emulated machine."""
        model = self.folder / "double.mto"
        model.write_text("fn double(x: f32[N]) -> f32[N] { x * 2 }\n")
        program = self.compile(model, "--target", "both")
        result = self.succeed(self.emulate(program, "--input", "x=1,2", "--device", "vulkan"))
        self.assertIn("[2 4]", result.stdout)
        self.assertRegex(result.stderr, "^note: .*: running on the CPU\n$")


class Missing(Test):
    def test_no_runtime(self):
        """A mapsto that no runtime lies beside says what to do."""
        alone = self.folder / "bin" / "mapsto"
        alone.parent.mkdir()
        shutil.copy(MAPSTO, alone)
        result = run(alone, "compile", MODELS / "seq_model.mto", "--weights", "random:1", "--target-triple", TRIPLE,
                     "-o", self.folder / "model")
        self.refuse(result, "aarch64", "hint:", "--emit obj", "libc6-dev-arm64-cross")
        self.assertEqual(os.listdir(self.folder), ["bin"])


if __name__ == "__main__":
    unittest.main()
