"""What the machine can do at most, and how much of it a time is."""

import glob
import math
import subprocess

import participants

BEYOND = 4  # caches a buffer must exceed to come from memory


def cache_sizes():
    """Bytes of the first core's data caches by level."""
    sizes = {}
    for folder in glob.glob("/sys/devices/system/cpu/cpu0/cache/index*"):
        with open(f"{folder}/type") as kind, open(f"{folder}/level") as level, open(f"{folder}/size") as size:
            if kind.read().strip() != "Instruction":
                sizes[int(level.read())] = int(size.read().strip().rstrip("K")) * 1024
    return sizes


class Limits:
    def __init__(self, threads):
        self.threads = threads
        self.caches = sorted(cache_sizes().items())
        largest = self.caches[-1][1]
        # Of a cache, a part that is well beyond the one before it and well within this one.
        inner = [0] + [size for _, size in self.caches]
        buffers = [max(math.isqrt(before * size) // (threads if level > 2 else 1), size // 4 if level < 3 else 0) & -4096
                   for before, (level, size) in zip(inner, self.caches)]
        buffers.append(largest * BEYOND // threads)
        lines = subprocess.run([f"{participants.BUILD}/limits", str(threads), *map(str, buffers)], check=True,
                               capture_output=True, text=True).stdout.split()
        self.peak, *self.bandwidths = (float(line) * 1e9 for line in lines)

    def bandwidth(self, footprint):
        for (level, size), bandwidth in zip(self.caches, self.bandwidths):
            if footprint <= size * (self.threads if level <= 2 else 1):
                return bandwidth
        return self.bandwidths[-1]

    def shortest(self, row):
        """In milliseconds."""
        return 1e3 * max(row.flops / self.peak, row.moved / self.bandwidth(row.footprint))

    def __str__(self):
        names = [f"L{level}" for level, _ in self.caches] + ["memory"]
        return f"{self.peak * 1e-9:.0f} GFLOP/s; read " + ", ".join(
            f"{name} {bandwidth * 1e-9:.0f}" for name, bandwidth in zip(names, self.bandwidths)) + " GB/s"
