"""What attention keeps in memory: no scores, so that its peak grows with the length."""

import subprocess
import sys
import unittest

from support import ROOT, SANITIZED, Test, mapsto

HEADS, WIDTH, F32 = 12, 64, 4
# A process of its own, so that the peak is only the program's.
PROBE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@unittest.skipIf(SANITIZED, "sanitizers take memory of their own")
class Memory(Test):
    def peak(self, program, length, threads):
        inputs = [word for name in "qkv" for word in ("--input", f"{name}=random:1")]
        sizes = ["--dim", "B=1", "--dim", f"H={HEADS}", "--dim", f"L={length}"]
        result = subprocess.run([sys.executable, "-c", PROBE, program, *inputs, *sizes, "--threads", str(threads)],
                                capture_output=True, text=True)
        self.succeed(result)
        return int(result.stdout) * 1024

    def test_attention(self):
        for causal in ("false", "true"):
            program = self.folder / "attention"
            self.succeed(mapsto("compile", ROOT / "tests/benchmarks/models/attention.mto", "--arg",
                                f"is_causal={causal}", "-o", program))
            for threads in (1, 2):
                peaks = [self.peak(program, length, threads) for length in (1024, 2048, 4096)]
                tensors = [4 * HEADS * length * WIDTH * F32 for length in (1024, 2048, 4096)]
                print(f"causal {causal}, {threads} threads:", *(f"{peak / 1e6:.1f}" for peak in peaks), "MB; tensors",
                      *(f"{size / 1e6:.1f}" for size in tensors))
                self.assertLess(peaks[2], 120e6)
                # Twice the length: twice the tensors and nothing else that counts.
                for i in (0, 1):
                    self.assertLess(peaks[i + 1] - peaks[i], 1.1 * (tensors[i + 1] - tensors[i]))
                for peak, size in zip(peaks, tensors):
                    self.assertLess(peak - size, 8e6)


if __name__ == "__main__":
    unittest.main()
