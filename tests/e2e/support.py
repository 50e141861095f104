"""What the end-to-end tests share: running mapsto, and .npy and .safetensors
files without NumPy."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "vulkan"))
import lavapipe  # noqa: E402

MAPSTO = os.environ.get("MAPSTO", str(ROOT / "build/release/tools/mapsto/mapsto"))
BUILD = pathlib.Path(os.environ.get("MAPSTO_BUILD", str(ROOT / "build/release")))
SANITIZED = os.environ.get("MAPSTO_SANITIZED", "0") == "1"
MODELS = ROOT / "tests" / "models"
GOLDEN = ROOT / "tests" / "golden"
SUNSPOTS = ROOT / "examples" / "sunspots"


def run(*arguments, cwd=None, env=None):
    """Runs a command; the result has returncode, stdout and stderr."""
    return subprocess.run([str(a) for a in arguments], cwd=cwd, text=True, capture_output=True,
                          errors="replace", env={**os.environ, **(env or {})})


def mapsto(*arguments, **options):
    return run(MAPSTO, *arguments, **options)


def write_npy(path, shape, values, descr="<f4", fortran=False):
    """A .npy file (format 1.0) of numbers."""
    code = {"f4": "f", "f8": "d", "f2": "e", "i4": "i", "i8": "q", "i2": "h", "i1": "b", "u2": "H", "u4": "I",
            "u8": "Q", "u1": "B", "b1": "?"}[descr[1:]]
    order = ">" if descr[0] == ">" else "<"
    dims = "(" + "".join(f"{n}," for n in shape) + ")"
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {dims}, }}".encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    data = struct.pack(f"{order}{len(values)}{code}", *values)
    pathlib.Path(path).write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def safetensors(header, data):
    """The bytes of a .safetensors file; `header` is a dict or raw text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


class Test(unittest.TestCase):
    """A test with a folder of its own, self.folder."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mapsto-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def succeed(self, result):
        self.assertEqual(result.returncode, 0, f"{result.args}\n{result.stdout}{result.stderr}")
        return result

    def validate(self, result):
        """A run on Vulkan that the validation layer has nothing to say of."""
        self.assertEqual(lavapipe.messages(result.stdout + result.stderr), [])
        return self.succeed(result)

    def refuse(self, result, *texts, code=2):
        """The run ended with `code` and says each of the texts on stderr, in a
        few lines and without a word of MLIR."""
        self.assertEqual(result.returncode, code, f"{result.args}\n{result.stdout}{result.stderr}")
        for text in texts:
            self.assertIn(text, result.stderr)
        for word in ("mlir", "LLVM ERROR", "Stack dump", "builtin.", "mapsto.", "Sanitizer"):
            self.assertNotIn(word, result.stderr.replace("mapsto.h", ""))
        return result
