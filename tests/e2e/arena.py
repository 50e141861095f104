"""Intermediate values share memory nearly as well as is possible, for every
model and at all sizes."""

import re
import unittest

from support import MODELS, Test, mapsto

# Below, at and between the sizes of vectors and tiles.
SIZES = (1, 7, 64, 333, 2048)
# No more than this times the most that is alive at one moment.
BOUND = 1.15


class Arena(Test):
    def test_peak_is_close_to_the_bound(self):
        worst = 0
        for path in sorted(MODELS.glob("*.mto")):
            artifact = self.folder / f"{path.stem}.o"
            self.succeed(mapsto("compile", path, "--weights", "random:1", "--emit", "obj", "-O0", "-o", artifact))
            names = re.findall(r"^  size +(\w+)", self.succeed(mapsto("inspect", artifact)).stdout, re.M)
            for turn, size in enumerate(SIZES):
                # Each axis has its turn to be long or short beside the others.
                dims = [f"--dim={name}={size if i % 2 == turn % 2 else 5}" for i, name in enumerate(names)]
                summary = self.succeed(mapsto("inspect", artifact, *dims)).stdout
                if "intermediate values" not in summary:
                    self.assertNotIn("  value ", summary, f"{path.stem} {dims}")
                    continue
                over = re.search(r"no plan could take less than.*\(([\d.]+)x\)", summary)
                if over:
                    worst = max(worst, float(over[1]))
                    self.assertLessEqual(float(over[1]), BOUND, f"{path.stem} {dims}")
        self.assertGreaterEqual(worst, 1)
        print(f"at worst {worst} times the bound")


if __name__ == "__main__":
    unittest.main()
