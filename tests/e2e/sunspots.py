"""The example: its forecasts are better than last year's number."""

import re
import shutil
import time
import unittest

from support import SANITIZED, SUNSPOTS, Test, mapsto, run


class Sunspots(Test):
    def test_forecasts(self):
        self.succeed(mapsto("compile", SUNSPOTS / "sunspots.mto", "--weights", SUNSPOTS / "weights.safetensors",
                            "-o", self.folder / "sunspots"))
        result = self.succeed(run(SUNSPOTS / "show_forecasts", self.folder / "sunspots"))
        errors = [float(x) for x in re.findall(r"mean error\D+([\d.]+)\D+([\d.]+)", result.stdout)[0]]
        self.assertLess(errors[0], 13)
        self.assertLess(errors[0], 0.6 * errors[1])

    @unittest.skipIf(SANITIZED, "sanitized builds are not made small")
    def test_small(self):
        """The program is small: kernels, runtime and command line, without the weights. How soon it answers is printed,
        not held: machines differ."""
        program = self.folder / "sunspots"
        self.succeed(mapsto("compile", SUNSPOTS / "sunspots.mto", "--weights", SUNSPOTS / "weights.safetensors",
                            "--weights-separate", "-o", program))
        self.assertLess(program.stat().st_size, 100_000)
        times = []
        for _ in range(100):
            start = time.perf_counter()
            self.succeed(run(program, "--input", "series=" + str([10 * (i % 11) for i in range(60)])))
            times.append(time.perf_counter() - start)
        print(f"{program.stat().st_size} bytes, run from start to end in {min(times) * 1e3:.2f} ms")

    def test_same_wherever_it_lies(self):
        programs = []
        for name in ("here", "in/a/folder/further/down"):
            folder = self.folder / name
            folder.mkdir(parents=True)
            shutil.copy(SUNSPOTS / "sunspots.mto", folder)
            self.succeed(mapsto("compile", folder / "sunspots.mto", "--weights", SUNSPOTS / "weights.safetensors",
                                "-o", folder / "sunspots"))
            programs.append((folder / "sunspots").read_bytes())
        self.assertEqual(*programs)

    def test_interpreter_agrees(self):
        self.succeed(mapsto("verify", SUNSPOTS / "sunspots.mto", "--weights", SUNSPOTS / "weights.safetensors"))


if __name__ == "__main__":
    unittest.main()
