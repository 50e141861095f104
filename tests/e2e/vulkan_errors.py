"""What goes wrong on a Vulkan device is said as on the CPU."""

import unittest

from support import ROOT, Test, lavapipe, mapsto

ERRORS = ROOT / "tests" / "kernels" / "errors.mto"


class Errors(Test):
    def both(self, model, *inputs):
        """The run fails on either device, with the same words."""
        options = [part for value in inputs for part in ("--input", value)]
        on = {device: mapsto("run", ERRORS, "--model", model, "--device", device, *options,
                             env=lavapipe.environment()) for device in ("cpu", "vulkan:0")}
        self.assertEqual(lavapipe.messages(on["vulkan:0"].stdout), [])
        self.assertNotEqual(on["cpu"].returncode, 0)
        self.assertEqual(on["vulkan:0"].returncode, on["cpu"].returncode)
        self.assertEqual(on["vulkan:0"].stderr, on["cpu"].stderr)
        return on["vulkan:0"].stderr

    def test_index(self):
        for bad in (3, -4):
            self.assertIn(f"index {bad} is out of range: it must be at least 0 and below 3",
                          self.both("Positions", "x=1,2,3", f"ids=0,-3,{bad},2"))

    def test_start_of_an_update(self):
        self.assertIn("index 7 is out of range", self.both("Ends", "x=1,2,3", "at=4"))

    def test_divisor(self):
        self.assertIn("division by zero", self.both("Divisor", "x=1,2", "y=1,2"))
        self.assertIn("division by zero", self.both("Divisor", "x=1,2", "y=3,4"))


if __name__ == "__main__":
    unittest.main()
