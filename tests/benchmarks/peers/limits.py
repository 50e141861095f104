"""What the machine can do at most, and how much of it a time is."""

import subprocess

import participants


class Limits:
    def __init__(self, threads):
        self.threads = threads
        lines = subprocess.run([f"{participants.BUILD}/limits", str(threads)], check=True, capture_output=True,
                               text=True).stdout.splitlines()
        self.peak = float(lines[0])
        self.levels = [tuple(map(float, line.split())) for line in lines[1:]]

    def bandwidth(self, footprint):
        return next(bandwidth for size, bandwidth in self.levels if footprint <= size)

    def shortest(self, row):
        """In milliseconds."""
        return 1e3 * max(row.flops / self.peak, row.moved / self.bandwidth(row.footprint))

    def __str__(self):
        names = [f"L{level}" for level in range(1, len(self.levels))] + ["memory"]
        return f"{self.peak * 1e-9:.0f} GFLOP/s; read " + ", ".join(
            f"{name} {bandwidth * 1e-9:.0f}" for name, (_, bandwidth) in zip(names, self.levels)) + " GB/s"
