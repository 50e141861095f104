"""The example: its forecasts are better than last year's number."""

import re
import unittest

from support import ROOT, SUNSPOTS, Test, mapsto, run


class Sunspots(Test):
    def test_forecasts(self):
        self.succeed(mapsto("compile", SUNSPOTS / "sunspots.mto", "--weights", SUNSPOTS / "weights.safetensors",
                            "-o", self.folder / "sunspots"))
        result = self.succeed(run(SUNSPOTS / "show_forecasts", self.folder / "sunspots"))
        errors = [float(x) for x in re.findall(r"mean error\D+([\d.]+)\D+([\d.]+)", result.stdout)[0]]
        self.assertLess(errors[0], 13)
        self.assertLess(errors[0], 0.6 * errors[1])

    def test_interpreter_agrees(self):
        self.succeed(mapsto("verify", SUNSPOTS / "sunspots.mto", "--weights", SUNSPOTS / "weights.safetensors"))


if __name__ == "__main__":
    unittest.main()
