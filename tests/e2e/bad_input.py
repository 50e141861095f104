"""Damaged and contradictory input: a clear error, exit code 2, nothing left
behind."""

import os
import unittest

from support import GOLDEN, MODELS, Test, mapsto, safetensors, write_npy

MODEL = MODELS / "seq_model.mto"
GOLD = GOLDEN / "seq_model"
WEIGHTS = ["--weights", GOLD / "weights.safetensors"]


class BadWeights(Test):
    def weights(self, data):
        path = self.folder / "w.safetensors"
        path.write_bytes(data)
        return mapsto("run", MODEL, "--weights", path, "--input", "x=random:1", "--dim", "B=1", "--dim", "T=2")

    def test_damaged_headers(self):
        f32 = lambda shape, begin, end: {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        whole = (GOLD / "weights.safetensors").read_bytes()
        for name, data in {
                "empty": b"",
                "shorter than its length": b"\x10\0\0\0",
                "truncated": whole[:-4],
                "too long": whole + b"1234",
                "oversized header": b"\xff" * 8 + b"{}",
                "no json": safetensors(b"{nonsense", b""),
                "not utf-8": safetensors(b'{"\xff": 1}', b""),
                "overlap": safetensors({"a": f32([2], 0, 8), "b": f32([2], 4, 12)}, bytes(12)),
                "hole": safetensors({"a": f32([1], 0, 4), "b": f32([1], 8, 12)}, bytes(12)),
                "past the end": safetensors({"a": f32([4], 0, 16)}, bytes(8)),
                "backwards": safetensors({"a": f32([1], 4, 0)}, bytes(4)),
                "negative": safetensors({"a": f32([-1], 0, 4)}, bytes(4)),
                "overflow": safetensors({"a": f32([2**40, 2**40], 0, 4)}, bytes(4)),
                "wrong size": safetensors({"a": f32([3], 0, 4)}, bytes(4)),
                "unknown dtype": safetensors({"a": {**f32([1], 0, 4), "dtype": "X9"}}, bytes(4)),
                "mistyped": safetensors({"a": {"dtype": 3, "shape": "x", "data_offsets": {}}}, b""),
                "duplicated": safetensors(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                                          b'"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)),
        }.items():
            with self.subTest(name):
                self.refuse(self.weights(data), "w.safetensors")

    def test_missing_extra_and_misfitting(self):
        def entries(*named):
            header, data = {}, b""
            for name, shape in named:
                count = 1
                for size in shape:
                    count *= size
                header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * count]}
                data += bytes(4 * count)
            return safetensors(header, data)
        result = self.refuse(self.weights(entries(
            ("rnn.weight_ih_l0", [16, 1]), ("rnn.weight_hh_l0", [8, 16]), ("rnn.bias_ih_l0", [16]),
            ("rnn.bias_hh_l00", [16]), ("fc.weight", [1, 16]), ("other", [3]))),
            "missing", "rnn.bias_hh_l0", "fc.bias", "did you mean `rnn.bias_hh_l00`",
            "rnn.weight_hh_l0", "[8, 16]", "not in the model", "other")
        self.assertLess(len(result.stderr.splitlines()), 20)

    def test_no_weights(self):
        self.refuse(mapsto("run", MODEL, "--input", "x=1"), "--weights", "rnn.weight_hh_l0")
        self.refuse(mapsto("run", MODEL, "--weights", self.folder / "none.safetensors"), "none.safetensors")
        self.refuse(mapsto("run", MODEL, "--weights", self.folder), str(self.folder))


class BadInputs(Test):
    def run_with(self, value, *more):
        return mapsto("run", MODEL, *WEIGHTS, "--input", value, *more)

    def test_npy(self):
        path = self.folder / "x.npy"
        write_npy(path, [1, 2, 1], [1.0, 2.0])
        self.succeed(self.run_with(f"x=@{path}"))
        write_npy(path, [1, 2, 1], [1.0, 2.0], fortran=True)
        whole = path.read_bytes()
        cases = {"column order": ([2, 3, 1], [1.0] * 6, {"fortran": True}),
                 "wrong dtype": ([1, 2, 1], [1, 2], {"descr": "<i8"}),
                 "byte order": ([1, 2, 1], [1.0, 2.0], {"descr": ">f4"}),
                 "wrong shape": ([1, 2, 3], [1.0] * 6, {}),
                 "wrong rank": ([2], [1.0] * 2, {})}
        for name, (shape, values, options) in cases.items():
            with self.subTest(name):
                write_npy(path, shape, values, **options)
                self.refuse(self.run_with(f"x=@{path}"), "x")
        for name, data in {"truncated": whole[:-1], "empty": b"", "no npy": b"hello" * 10,
                           "header only": whole[:20]}.items():
            with self.subTest(name):
                path.write_bytes(data)
                self.refuse(self.run_with(f"x=@{path}"), "x.npy")

    def test_values(self):
        self.refuse(self.run_with("x=@nowhere.npy"), "nowhere.npy")
        self.refuse(self.run_with("x=1,2,zebra"), "zebra")
        self.refuse(self.run_with("z=1,2"), "`z`", "x")
        self.refuse(mapsto("run", MODEL, *WEIGHTS), "x")

    def test_contradicting_sizes(self):
        self.refuse(self.run_with("x=[[[1],[2]]]", "--dim", "T=3"), "T", "3", "2")
        model = MODELS / "attention_dot.mto"
        result = mapsto("run", model, "--input", "q=random:1", "--input", "k=random:2", "--input", "v=random:3",
                        "--dim", "B=1", "--dim", "H=2", "--dim", "L=3")
        self.refuse(result, "S")

    def test_expectation_not_met(self):
        self.refuse(self.run_with(f"x=@{GOLD}/in.x.npy", "--expect", "y=1,2,3"), "y", code=1)


class BadModels(Test):
    def model(self, text, name="model.mto", *more):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return mapsto("compile", path, "-o", self.folder / "out", *more)

    def check(self, result, *texts):
        self.refuse(result, *texts)
        self.assertFalse((self.folder / "out").exists())

    def test_garbage(self):
        noise = bytes((i * 7919 >> 3) & 255 for i in range(10_000_000))
        self.check(self.model(noise), "model.mto")
        self.check(self.model("("*1_000_000), "model.mto")
        self.check(self.model(b""), "model.mto")
        self.check(self.model(b"\0" * 100), "model.mto")

    def test_recursion(self):
        self.check(self.model("model A(n) {\n  a = A(n)\n  (x: f32[B]) -> (y: f32[B]) { y = a(x) }\n}\n", "model.mto",
                              "--arg", "n=1"), "model.mto", "A")
        self.check(self.model("fn f(x: f32[B]) -> f32[B] { f(x) }\n"), "model.mto", "f")

    def test_contradictory_dims(self):
        self.check(self.model("fn f(x: f32[B, 3], y: f32[B, 4]) -> f32[B, 3] { x + y }\n"), "3", "4")

    def test_options(self):
        ok = "fn f(x: f32[B]) -> f32[B] { x + 1 }\n"
        self.check(self.model(ok, "model.mto", "--model", "Zebra"), "Zebra")
        self.check(self.model(ok, "model.mto", "--dim", "B=-1"), "--dim")
        self.check(self.model(ok, "model.mto", "--cpu", "zneer3"), "zneer3", "did you mean")
        self.check(self.model(ok, "model.mto", "--target", "metal"), "`vulkan`", "metal")
        self.check(self.model(ok, "model.mto", "--target-triple", "mips-linux-gnu"), "mips")
        self.check(self.model(ok, "model.onnx"), "onnx")
        self.check(mapsto("compile", self.folder / "none.mto", "-o", self.folder / "out"), "none.mto")
        self.check(mapsto("compile", self.folder, "-o", self.folder / "out"), "directory")

    def test_unwritable_output(self):
        ok = self.folder / "model.mto"
        ok.write_text("fn f(x: f32[B]) -> f32[B] { x + 1 }\n")
        self.refuse(mapsto("compile", ok, "-o", self.folder / "no/such/out"), "no/such/out")
        self.refuse(mapsto("compile", ok, "-o", self.folder), "directory")
        self.refuse(mapsto("compile", ok, "-o", "/dev/null"), "/dev/null")
        self.refuse(mapsto("compile", ok), "-o")
        self.assertEqual(os.listdir(self.folder), ["model.mto"])


class BadArtifacts(Test):
    def test_damaged(self):
        artifact = self.folder / "model.so"
        self.succeed(mapsto("compile", MODEL, *WEIGHTS, "--emit", "lib", "-o", artifact))
        whole = artifact.read_bytes()
        for name, data in {"truncated": whole[:len(whole) // 2], "elf header only": whole[:64],
                           "another library": b"\x7fELF" + bytes(1000)}.items():
            with self.subTest(name):
                artifact.write_bytes(data)
                self.refuse(mapsto("run", artifact), "model.so")
        at = whole.index(b"MAPSTOMF")
        artifact.write_bytes(whole[:at + 8] + b"\xff" * 64 + whole[at + 72:])
        self.refuse(mapsto("inspect", artifact), "model.so")
        self.refuse(mapsto("run", artifact))

    def test_no_artifact(self):
        self.refuse(mapsto("inspect", "/bin/sh"), "/bin/sh")
        self.refuse(mapsto("run", self.folder / "none"), "none")


if __name__ == "__main__":
    unittest.main()
