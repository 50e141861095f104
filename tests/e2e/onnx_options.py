"""The options that are for ONNX models, on ONNX's own cases (Debian's
libonnx-testdata) and on models made here."""

import pathlib
import unittest

from onnx_file import FLOAT, INT64, model, node, tensor
from support import SANITIZED, Test, mapsto, run, write_npy

CASES = pathlib.Path("/usr/share/libonnx-testdata/data/node")


@unittest.skipUnless(CASES.exists(), "no libonnx-testdata")
class Onnx(Test):
    def make(self, *parts):
        path = self.folder / "m.onnx"
        path.write_bytes(model(*parts, opset=17))
        return path

    def test_test_data(self):
        case = CASES / "test_add"
        for data in (case, case / "test_data_set_0"):
            for option in ([], ["--interpret"], ["--threads", "2"], [] if SANITIZED else ["--device", "vulkan:0"]):
                result = self.succeed(mapsto("run", case / "model.onnx", "--test-data", data, *option))
                self.assertIn("sum: as expected", result.stdout)
        two = mapsto("run", case / "model.onnx", "--test-data", case, "--test-data", case / "test_data_set_0")
        self.assertEqual(self.succeed(two).stdout.count("as expected"), 2)

    def test_test_data_that_differ(self):
        result = mapsto("run", CASES / "test_add/model.onnx", "--test-data", CASES / "test_sub")
        self.refuse(result, "elements differ", code=1)
        data = self.folder / "data"
        data.mkdir()
        self.refuse(mapsto("run", CASES / "test_add/model.onnx", "--test-data", data), "has no test data")
        (data / "input_0.pb").write_bytes(tensor("x", FLOAT, [1], [1.0]))
        self.refuse(mapsto("run", CASES / "test_add/model.onnx", "--test-data", data), "1 inputs, and the model has 2")
        (data / "input_0.pb").write_bytes(b"\x0a\xff")
        self.refuse(mapsto("run", CASES / "test_add/model.onnx", "--test-data", data), "damaged or no ONNX tensor")
        self.refuse(mapsto("run", CASES / "test_add/model.onnx", "--test-data", CASES / "test_add", "--input", "x=1"),
                    "--input is not for runs on --test-data")

    def test_an_input_that_decides_a_shape(self):
        path = self.make([node("Reshape", "x shape", "y")],
                         [("x", FLOAT, [6]), ("shape", INT64, [2])], [("y", FLOAT, ["A", "B"])])
        self.refuse(mapsto("run", path, "--input", "x=1,2,3,4,5,6", "--input", "shape=2,3"), "--set NAME=FILE")
        write_npy(self.folder / "shape.npy", [2], [3, 2], descr="<i8")
        (self.folder / "shape.pb").write_bytes(tensor("", INT64, [2], [3, 2]))
        for value in ("3,2", self.folder / "shape.npy", self.folder / "shape.pb"):
            result = mapsto("run", path, "--set", f"shape={value}", "--input", "x=1,2,3,4,5,6")
            self.assertIn("f32[3, 2]", self.succeed(result).stdout)
        self.succeed(mapsto("compile", path, "--set", "shape=3,2", "-o", self.folder / "m"))
        self.assertIn("f32[3, 2]", self.succeed(run(self.folder / "m", "--input", "x=1,2,3,4,5,6")).stdout)
        self.refuse(mapsto("run", path, "--set", "shap=3,2", "--input", "x=1"), "no input `shap`", "`shape`")
        self.refuse(mapsto("run", path, "--set", "shape", "--input", "x=1"), "--set needs NAME=VALUE")

    def test_carried_state(self):
        path = self.make([node("Add", "x sum", "next"), node("Relu", "next", "y")],
                         [("x", FLOAT, ["N"]), ("sum", FLOAT, ["N"])],
                         [("y", FLOAT, ["N"]), ("next", FLOAT, ["N"])])
        for option in ([], ["--interpret"]):
            result = mapsto("run", path, "--carry", "next=sum", "--input", "x=1,-2", "--repeat", "3", *option)
            self.assertRegex(self.succeed(result).stdout, r"y: f32\[2\]\n\[3 0\]")
        self.succeed(mapsto("compile", path, "--carry", "next=sum", "-o", self.folder / "m"))
        result = run(self.folder / "m", "--input", "x=1,2", "--state", "sum=10,20", "--save-state", "sum=-")
        self.assertIn("[11 22]", self.succeed(result).stdout)
        self.refuse(mapsto("inspect", path, "--carry", "nxt=sum"), "no output `nxt`", "`next`")
        self.refuse(mapsto("inspect", path, "--carry", "next=y"), "no input `y`")

    def test_ops_are_listed(self):
        listed = self.succeed(mapsto("help", "onnx")).stdout.split()
        for op in ("Add", "LSTM", "MatMul", "Softmax"):
            self.assertIn(op, listed)
        path = self.make([node("NoSuchOp", "x", "y")], [("x", FLOAT, [6])], [("y", FLOAT, [6])])
        self.refuse(mapsto("inspect", path), "op NoSuchOp (opset 17) is not supported", "`mapsto help onnx`")


if __name__ == "__main__":
    unittest.main()
