#!/usr/bin/env python3
"""Functions of f64 in shaders, which bring their own, against libm: numbers of
all sizes, and those that are special, to a few units in the last place."""
import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "vulkan"))
import lavapipe  # noqa: E402

INFINITY, NAN = math.inf, math.nan
# In units in the last place, libm's own error (of tan's two functions) included.
BOUND = 4
SPECIAL = [0.0, -0.0, INFINITY, -INFINITY, NAN, 1.0, -1.0, 1 - 2**-53, 1 + 2**-52, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 2.5,
           -2.5, 5.92, 22.0, 709.782712893384, -708.5, -745.13, -745.14, 5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308,
           -1.7976931348623157e308, 2.0**53 - 1, 1 - 2.0**53, 2.0**53]

# The double that is nearest to an odd multiple of pi/2, and its cosine (J.-M. Muller, Elementary Functions), of which
# glibc 2.36 has 15 digits.
NEAREST = 6381956970095103.0 * 2.0**797
COSINE = -4.687165924254627611e-19
SPECIAL.append(NEAREST)


def numbers():
    """x, y of every function and of powers."""
    chance = random.Random(1)
    pairs = [(x, y) for x in SPECIAL for y in SPECIAL]

    def exponent(x):
        """Takes x to somewhere in the range, or just out of it."""
        size = math.log2(abs(x)) if x and math.isfinite(x) else 0
        return chance.uniform(-1080, 1030) / size if size else 0.5

    for _ in range(3000):
        for x in (struct.unpack("<d", chance.randbytes(8))[0], chance.uniform(-746, 710), chance.uniform(-1, 1),
                  1 + math.ldexp(chance.uniform(-1, 1), -chance.randrange(50)), chance.randrange(2**40) * (math.pi / 4)):
            pairs.append((x, exponent(x)))
    return pairs


def write(path, values):
    head = "{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % len(values)
    head = head.ljust(-(-(len(head) + 11) // 64) * 64 - 11) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() +
                     struct.pack(f"<{len(values)}d", *values))


def read(path):
    data = path.read_bytes()
    begin = 10 + struct.unpack_from("<H", data, 8)[0]
    return struct.unpack_from(f"<{(len(data) - begin) // 8}d", data, begin)


def function(name, of):
    """What libm gives, where Python raises an error instead."""
    def value(*x):
        if any(map(math.isnan, x)) and name != "pow":
            return NAN
        if name in ("cos", "tan") and x[0] == NEAREST:
            return COSINE if name == "cos" else 1 / COSINE
        try:
            return of(*x)
        except OverflowError:
            odd = name == "pow" and x[0] < 0 and math.fmod(x[1], 2) != 0
            return -INFINITY if odd else INFINITY
        except ValueError:
            if name in ("log", "log1p") and x[0] == (0 if name == "log" else -1):
                return -INFINITY
            if name == "pow" and x[0] == 0:
                odd = math.copysign(1, x[0]) < 0 and abs(math.fmod(x[1], 2)) == 1
                return -INFINITY if odd else INFINITY
            return NAN
    return value


def rsqrt(x):
    return 1 / math.sqrt(x) if x else math.copysign(INFINITY, x)


FUNCTIONS = {name: function(name, getattr(math, name))
             for name in ("exp", "expm1", "log", "log1p", "tanh", "erf", "sin", "cos", "tan", "atan", "sqrt", "pow")}
FUNCTIONS["rsqrt"] = function("rsqrt", rsqrt)


def error(found, right):
    if math.isnan(right) or math.isnan(found) or right == 0 == found:
        same = math.isnan(right) == math.isnan(found) and (math.isnan(right) or str(right) == str(found))
        return 0 if same else INFINITY
    if found == right:
        return 0
    return abs(found - right) / math.ulp(right) if math.isfinite(right) and math.isfinite(found) else INFINITY


def main():
    pairs = numbers()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        command = [os.environ["MAPSTO"], "run", str(HERE / "doubles.mto"), "--target", "vulkan", "--device", "vulkan:0"]
        for i, name in enumerate("xy"):
            write(folder / f"{name}.npy", [pair[i] for pair in pairs])
            command += ["--input", f"{name}=@{folder}/{name}.npy"]
        for name in FUNCTIONS:
            command += ["--output", f"{name}=@{folder}/{name}.npy"]
        run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **lavapipe.environment()})
        if run.returncode or lavapipe.messages(run.stdout + run.stderr):
            raise SystemExit(f"{' '.join(command)}\n{run.stdout}{run.stderr}")
        failures = 0
        for name, of in FUNCTIONS.items():
            found = read(folder / f"{name}.npy")
            rights = [of(*pair) if name == "pow" else of(pair[0]) for pair in pairs]
            worst, at = max((error(y, right), i) for i, (y, right) in enumerate(zip(found, rights, strict=True)))
            far = worst > BOUND
            failures += far
            print(f"{name:6} {worst:5.2f} ulp at {pairs[at]}: {found[at]!r}, libm {rights[at]!r}{'  TOO FAR' if far else ''}")
    sys.exit(failures != 0)


main()
