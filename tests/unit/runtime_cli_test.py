"""The command line of a compiled model: argv[1] is the executable of runtime_model.h."""

import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop(1)


def npy(descr, shape, data):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


class Cli(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        os.chdir(self.directory.name)

    def tearDown(self):
        os.chdir("/")
        self.directory.cleanup()

    def run_it(self, *args, code=0):
        p = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, code, (args, p.stdout, p.stderr))
        self.assertEqual(p.stderr == "", code == 0, p.stderr)
        return p.stdout if code == 0 else p.stderr

    def write(self, name, data):
        with open(name, "wb") as f:
            f.write(data)

    INPUTS = ("--input", "x=[[1,2,3],[4,5,6]]", "--input", "ids=0,1,2")

    def test_prints_outputs(self):
        self.assertEqual(self.run_it(*self.INPUTS),
                         "y: f32[2, 3]\n[[  1  20 300]\n [  4  50 600]]\nsum: f32[2]\n[321 654]\n")

    def test_flat_lists(self):
        out = self.run_it("--input=x=1,2", "--input=ids=1,1", "--output", "sum")
        self.assertEqual(out, "sum: f32[1]\n[30]\n")

    def test_files_in_and_out(self):
        self.write("x.npy", npy("<f4", "(2, 3)", f32(1, 2, 3, 4, 5, 6)))
        self.run_it("--input", "x=@x.npy", "--input", "ids=0,1,2", "--output", "y=@y.npy")
        with open("y.npy", "rb") as f:
            data = f.read()
        self.assertEqual(data[128:], f32(1, 20, 300, 4, 50, 600))
        self.assertIn(b"'shape': (2, 3)", data)
        self.assertEqual(sorted(os.listdir(".")), ["x.npy", "y.npy"])

    def test_expectations(self):
        self.write("y.npy", npy("<f4", "(2, 3)", f32(1, 20, 300, 4, 50, 600.01)))
        out = self.run_it(*self.INPUTS, "--expect", "y=@y.npy", "--expect", "sum=321,654")
        self.assertEqual(out, "y: as expected (max abs diff 0.01)\nsum: as expected (max abs diff 0)\n")
        err = self.run_it(*self.INPUTS, "--expect", "y=@y.npy", "--rtol", "1e-9", code=1)
        self.assertEqual(err, "error: y: 1 of 6 elements differ (max abs diff 0.01); worst at [1, 2]: 600, "
                              "expected 600.01001\n")
        self.run_it(*self.INPUTS, "--expect", "y=@y.npy", "--rtol", "0", "--atol", "0.1")
        err = self.run_it(*self.INPUTS, "--expect", "sum=nan,654", code=1)
        self.assertIn("1 of 2 elements differ, 1 of them NaN on one side only", err)
        err = self.run_it(*self.INPUTS, "--expect", "sum=1,2,3", code=2)
        self.assertEqual(err, "error: expected output `sum` (f32[B]): 3 elements cannot fill its shape\n")
        self.write("s.npy", npy("<f8", "(3,)", bytes(24)))
        err = self.run_it(*self.INPUTS, "--expect", "sum=@s.npy", code=1)
        self.assertEqual(err, "error: sum: its shape is [2], but [3] was expected\n")
        out = self.run_it("--input", "x=nan", "--input", "ids=0", "--expect", "sum=nan")
        self.assertIn("as expected", out)

    def test_generated_inputs(self):
        out = self.run_it("--input", "x=random:1", "--input", "ids=zeros", "--dim", "B=1", "--dim", "T=4",
                          "--output", "sum")
        self.assertEqual(out, self.run_it("--input", "x=random:1", "--input", "ids=zeros", "--dim", "B=1", "--dim",
                                          "T=4", "--output", "sum"))
        out = self.run_it("--input", "x=zeros", "--input", "ids=1,2,3", "--dim", "B=2", "--output", "sum")
        self.assertEqual(out, "sum: f32[2]\n[0 0]\n")
        err = self.run_it("--input", "x=zeros", "--input", "ids=1,2,3", code=2)
        self.assertEqual(err, "error: input `x` is f32[B, T], so `zeros` needs --dim B=16\n")
        err = self.run_it("--input", "x=zeros", "--input", "ids=zeros", code=2)
        self.assertEqual(err, "error: input `x` is f32[B, T], so `zeros` needs --dim B=16 --dim T=16\n")
        self.run_it("--input", "x=random:1", "--input", "ids=random:2:4", "--dim", "B=20", "--dim", "T=100")

    def test_repeat_and_state(self):
        out = self.run_it(*self.INPUTS, "--repeat", "3", "--output", "sum", "--save-state", "total=@t.npy")
        self.assertEqual(out, "sum: f32[2]\n[ 963 1962]\n")
        out = self.run_it(*self.INPUTS, "--state", "total=@t.npy", "--output", "sum")
        self.assertEqual(out, "sum: f32[2]\n[1284 2616]\n")
        err = self.run_it(*self.INPUTS, "--state", "total=1,2,3", code=2)
        self.assertEqual(err, "error: state `total` (f32[B]): 3 elements cannot fill its shape\n")
        err = self.run_it(*self.INPUTS, "--state", "total=[1,2,3]", code=2)
        self.assertIn("`B` is 2 in input `x` (axis 0) but 3 in state `total`", err)

    def test_profile(self):
        self.run_it(*self.INPUTS, "--repeat", "2", "--profile", "trace.json")
        with open("trace.json") as f:
            events = json.load(f)["traceEvents"]
        self.assertEqual([e["name"] for e in events], ["lookup", "scale", "accumulate"] * 2)
        self.assertEqual(events[1]["args"]["flops"], 6)
        ends = 0
        for event in events:
            self.assertEqual(event["ph"], "X")
            self.assertEqual((event["pid"], event["tid"]), (1, 1))
            self.assertGreaterEqual(event["ts"], ends)
            ends = event["ts"] + event["dur"]
            self.assertGreater(event["args"]["bytes"], 0)
            self.assertEqual(event["args"]["threads"], 1)

    def test_bench(self):
        out = self.run_it(*self.INPUTS, "--bench", "20")
        for word in ["20 runs", "min", "p50", "p90", "p99", "FLOP/s", "B/s", "lookup (gather)", "scale", "accumulate"]:
            self.assertIn(word, out)
        self.assertNotIn("inputs", out)
        self.assertNotIn("roofline", out)

    def test_bench_makes_inputs(self):
        out = self.run_it("--bench", "2", "--dim", "B=2", "--dim", "T=3")
        self.assertTrue(out.startswith("inputs   x=random:1 ids=random:2:2\n2 runs"), out)
        out = self.run_it("--bench", "2", "--input", "ids=[0,3,1]", "--dim", "B=2")
        self.assertTrue(out.startswith("inputs   x=random:1\n2 runs"), out)
        self.assertEqual(self.run_it("--bench", "2", code=2),
                         "error: input `x` is f32[B, T], so `random:1` needs --dim B=16 --dim T=16\n")
        self.assertEqual(self.run_it("--bench", "2", "--dim", "T=3", code=2),
                         "error: input `x` is f32[B, T], so `random:1` needs --dim B=16\n")

    def test_bench_shares_of_limits(self):
        """A launch is bounded by arithmetic, or by the nearest level that holds what it touches."""
        def bounds(limits):
            out = self.run_it(*self.INPUTS, "--bench", "2", "--limits", limits)
            self.assertRegex(out, r"rate .*B/s  \d+% of roofline\nlimits ")
            rows = [line for line in out.split("of roofline   kernel\n")[1].splitlines() if "scale" in line]
            return re.search(r"B/s +(\d+)% (\w+) ", rows[0]).groups()
        share, by = bounds("1,10:1e15,inf:1e15")
        self.assertEqual(by, "compute")
        self.assertGreater(int(share), 1000)  # of one operation a second
        self.assertEqual(bounds("1e15,1000:1e9,inf:1e9")[1], "L1")
        self.assertEqual(bounds("1e15,1:1e9,1000:1e9,inf:1e9")[1], "L2")
        self.assertEqual(bounds("1e15,1:1e9,inf:1e9")[1], "memory")
        for wrong in ["x", "0", "1e9", "1e9,", "1e9,5", "1e9,5:0", "1e9,inf:1e9,", "1e9" + ",1:1" * 6]:
            self.assertEqual(self.run_it("--bench", "--limits", wrong, code=2),
                             f"error: --limits needs FLOP/S,BYTES:BYTES/S,..., not `{wrong}`\n")

    def test_bench_with_profile(self):
        self.run_it(*self.INPUTS, "--bench", "5", "--profile", "trace.json")
        with open("trace.json") as f:
            events = json.load(f)["traceEvents"]
        self.assertEqual([e["name"] for e in events], ["lookup", "scale", "accumulate"] * 5)

    def test_help_and_version(self):
        out = self.run_it("--help")
        for line in ["accumulate: a model compiled by Mapsto", "Scales a sequence by looked-up numbers",
                     "  x    f32[B, T]  what to scale", "  total  f32[B]", "sizes: B, T", "  table  f32[4]"]:
            self.assertIn(line, out)
        self.assertTrue(self.run_it("--version").startswith("accumulate, compiled by Mapsto "))

    def test_wrong_command_lines(self):
        def wrong(error, *args):
            self.assertEqual(self.run_it(*args, code=2), "error: " + error + "\n")
        wrong("input `x` (f32[B, T]) is missing: give it with --input x=VALUE (see --help)")
        wrong("input `ids` (i64[T]) is missing: give it with --input ids=VALUE (see --help)", "--input", "x=1")
        wrong("`accumulate` has no input `id`; did you mean `ids`?", "--input", "id=1")
        wrong("`accumulate` has no input `volume`; its inputs are `x`, `ids`", "--input", "volume=1")
        wrong("`accumulate` has no output `yy`; did you mean `y`?", "--output", "yy")
        wrong("`accumulate` has no state `count`; its states are `total`", "--state", "count=1")
        wrong("`accumulate` has no symbolic size `Q`; did you mean `B`?", "--dim", "Q=1")
        wrong("--dim B needs a size, not `-3`", "--dim", "B=-3")
        wrong("--dim B needs a size, not `x`", "--dim", "B=x")
        wrong("input `x` is given twice", "--input", "x=1", "--input", "x=2")
        wrong("there is no option --inptu; did you mean `--input`?", "--inptu", "x=1")
        wrong("there is no option --frobnicate; see --help", "--frobnicate")
        wrong("--input needs a value", "--input")
        wrong("--input needs NAME=VALUE, not `x`", "--input", "x")
        wrong("--repeat needs a number of at least 1, not `0`", "--repeat", "0")
        wrong("--rtol needs a number of at least 0, not `-1`", "--rtol", "-1")
        wrong("--help takes no value", "--help=me")
        wrong("`x.npy` is no option; inputs are given as --input NAME=VALUE", "x.npy")
        wrong("`accumulate` was compiled for `cpu`, not `vulkan`", "--device", "vulkan")
        wrong("--output y needs @FILE, or - to print it, not `y.npy`", "--output", "y=y.npy")
        wrong("y.npz: tensors are written one a file, as .npy", "--output", "y=@y.npz")
        wrong("`T` is 3 in input `x` (axis 1) but 2 in input `ids` (axis 0)",
              "--input", "x=[[1,2,3]]", "--input", "ids=[0,1]")
        wrong("input `x` has shape [3] but must be f32[B, T]", "--input", "x=[1,2,3]", "--input", "ids=[0,1]")

    def test_wrong_files(self):
        def wrong(error, data):
            self.write("x.npy", data)
            self.assertEqual(self.run_it("--input", "x=@x.npy", "--input", "ids=0", code=2),
                             "error: input `x` (f32[B, T]): x.npy: " + error + "\n")
        wrong("it is not an .npy file", b"garbage" * 100)
        wrong("it is truncated: its shape [1, 1] needs 4 bytes, but it has 2", npy("<f4", "(1, 1)", b"ab"))
        wrong("its shape overflows", npy("<f4", "(4294967296, 4294967296)", b""))
        wrong("it is truncated: its shape [1000000000, 1000] needs 4000000000000 bytes, but it has 0",
              npy("<f4", "(1000000000, 1000)", b""))
        wrong("it is big-endian; save it with a.astype(a.dtype.newbyteorder('<'))", npy(">f4", "(1, 1)", b"abcd"))
        err = self.run_it("--input", "x=@none.npy", "--input", "ids=0", code=2)
        self.assertEqual(err, "error: input `x` (f32[B, T]): none.npy: No such file or directory\n")
        self.write("x.npy", npy("<f8", "(1, 1)", bytes(8)))
        err = self.run_it("--input", "x=@x.npy", "--input", "ids=0", code=2)
        self.assertEqual(err, "error: input `x` (f32[B, T]): x.npy is f64, not f32; convert it with numpy's astype\n")

    def test_failures_leave_nothing(self):
        err = self.run_it("--input", "x=1", "--input", "ids=9", "--output", "y=@y.npy", code=1)
        self.assertEqual(err, "error: accumulate.mto:3:13: index 9 is out of range: it must be at least 0 and below 4 "
                              "(kernel lookup)\n")
        err = self.run_it(*self.INPUTS, "--output", "y=@y.npy", "--output", "sum=@/nonexistent/s.npy", code=2)
        self.assertEqual(err, "error: /nonexistent/s.npy: No such file or directory\n")
        self.assertEqual(os.listdir("."), [])

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            p = subprocess.run([PROGRAM, *self.INPUTS], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(p.returncode, 1)
        self.assertEqual(p.stderr, "error: cannot write the results: No space left on device\n")


if __name__ == "__main__":
    unittest.main()
