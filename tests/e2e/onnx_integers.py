"""ONNX models of whole numbers: quantized ones, and those of 4 and of 64 bits, and of floats of 4 and 8 bits. What is
expected is computed here."""

import math
import unittest

import onnx_file as onnx
from onnx_file import FLOAT, INT4, INT8, INT32, UINT4, UINT8, UINT16, UINT64, node
from support import Test, mapsto, write_npy


def saturate(real, scale, zero, least, most):
    return max(least, min(most, round(real / scale) + zero))


def magnitudes(exponent, mantissa, bias, count):
    """The `count` numbers that are not below 0, by their codes."""
    ones = 1 << mantissa
    return [(code % ones + (ones if code >= ones else 0)) * 2.0 ** (max(code // ones, 1) - bias - mantissa)
            for code in range(count)]


def nearest(x, numbers, infinity):
    """Rounded to a number by its code, halves to the even one; `infinity` stands for what is beyond all."""
    if math.isnan(x):
        return x
    steps = numbers + [2 * numbers[-1] - numbers[-2]]
    code = min(range(len(steps)), key=lambda c: (abs(min(abs(x), steps[-1]) - steps[c]), c % 2))
    return math.copysign(numbers[code] if code < len(numbers) else infinity, x)


class Integers(Test):
    def check(self, model, inputs, expected):
        """The compiled model's and the interpreter's outputs are `expected`."""
        path = self.folder / "model.onnx"
        path.write_bytes(model)
        options = [f"--input={name}={value}" for name, value in inputs.items()]
        for name, value in expected.items():
            options += ["--expect", f"{name}={value}"]
        for how in [], ["--interpret"]:
            self.succeed(mapsto("run", path, *options, *how))

    def test_quantize_by_block(self):
        x = [[-3.0, 0.5, 1.5, 2.5, 100.0], [7.0, -7.0, 0.25, 0.75, -100.0]]
        scales, zeros = [[0.5, 1.0, 2.0], [0.25, 0.5, 0.125]], [[10, 128, 3], [0, 255, 200]]
        expected = [[saturate(v, scales[r][c // 2], zeros[r][c // 2], 0, 255) for c, v in enumerate(row)]
                    for r, row in enumerate(x)]
        self.check(onnx.model([node("QuantizeLinear", "x s z", "y", axis=-1, block_size=2)],
                              [("x", FLOAT, [2, 5])], [("y", UINT8, [2, 5])],
                              [("s", FLOAT, [2, 3], sum(scales, [])), ("z", UINT8, [2, 3], sum(zeros, []))]),
                   {"x": x}, {"y": expected})

    def test_small_floats(self):
        x = [s * v for v in (0.0, 1e-9, 0.01, 0.3, 0.25, 1.3, 1.0625, 17.0, 19.0, 5.0, 230.0, 248.0, 463.0, 465.0, 5e4,
                             61439.0, 6e9, math.inf) for s in (1, -1)] + [math.nan]
        for dtype, form, infinity in ((onnx.FLOAT8E4M3FN, (4, 3, 7, 127), math.nan),
                                      (onnx.FLOAT8E4M3FNUZ, (4, 3, 8, 128), math.nan),
                                      (onnx.FLOAT8E5M2, (5, 2, 15, 124), math.inf),
                                      (onnx.FLOAT8E5M2FNUZ, (5, 2, 16, 128), math.nan)):
            numbers = magnitudes(*form)
            rounded = {name: [nearest(v, numbers, beyond) for v in x]
                       for name, beyond in (("most", numbers[-1]), ("none", infinity))}
            back = [node("Cast", name + "8", name, to=FLOAT) for name in rounded]
            self.check(onnx.model([node("Cast", "x", "most8", to=dtype), node("Cast", "x", "none8", to=dtype, saturate=0),
                                   *back, node("QuantizeLinear", "x s", "q", output_dtype=dtype),
                                   node("DequantizeLinear", "q s", "twice")],
                                  [("x", FLOAT, ["n"])],
                                  [("most", FLOAT, ["n"]), ("none", FLOAT, ["n"]), ("twice", FLOAT, ["n"])],
                                  [("s", FLOAT, [], [2.0])], opset=24),
                       {"x": x}, {**rounded, "twice": [2 * nearest(v / 2, numbers, numbers[-1]) for v in x]})
        numbers, x = magnitudes(2, 1, 1, 8), [0.2, -0.25, 0.75, 1.25, -2.5, 5.0, 4.9, -7.0, math.inf]
        self.check(onnx.model([node("Cast", "x", "s", to=onnx.FLOAT4E2M1), node("Cast", "s", "y", to=FLOAT)],
                              [("x", FLOAT, [9])], [("y", FLOAT, [9])], opset=24),
                   {"x": x}, {"y": [nearest(v, numbers, 6.0) for v in x]})
        x = [0.25, 0.26, 0.37, 0.375, -3.0, 1.0, 3e38, math.inf, math.nan]
        for mode, expected in (("up", [0.25, 0.5, 0.5, 0.5, 4, 1, 2.0 ** 127]),
                               ("down", [0.25, 0.25, 0.25, 0.25, 2, 1, 2.0 ** 127]),
                               ("nearest", [0.25, 0.25, 0.25, 0.5, 4, 1, 2.0 ** 127])):
            self.check(onnx.model([node("Cast", "x", "s", to=onnx.FLOAT8E8M0, round_mode=mode),
                                   node("Cast", "s", "y", to=FLOAT)],
                                  [("x", FLOAT, [9])], [("y", FLOAT, [9])], opset=24),
                       {"x": x}, {"y": [*expected, math.nan, math.nan]})
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model([node("Add", "x x", "y")], [("x", onnx.FLOAT8E5M2, [1])],
                                    [("y", onnx.FLOAT8E5M2, [1])]))
        self.refuse(mapsto("run", path, "--input", "x=1"), "does not take elements of float8e5m2", "cast them to float")

    def test_quantize_without_zero_point(self):
        x = [-40000.0, -0.5, 1.5, 70000.0]
        self.check(onnx.model([node("QuantizeLinear", "x s", "y", output_dtype=UINT16)],
                              [("x", FLOAT, ["n"])], [("y", UINT16, ["n"])], [("s", FLOAT, [], [1.0])]),
                   {"x": x}, {"y": [saturate(v, 1, 0, 0, 65535) for v in x]})

    def test_weights_of_four_bits(self):
        """Each row of the weight has its scale and zero point; what is read is the product."""
        weight, scales, zeros = [[-8, 7, 3], [1, -2, 5]], [0.5, 2.0], [1, -3]
        real = [[(q - zeros[r]) * scales[r] for q in row] for r, row in enumerate(weight)]
        x = [1.0, 2.0]
        self.check(onnx.model([node("DequantizeLinear", "w s z", "r", axis=0), node("MatMul", "x r", "y")],
                              [("x", FLOAT, [1, 2])], [("y", FLOAT, [1, 3])],
                              [("w", INT4, [2, 3], sum(weight, [])), ("s", FLOAT, [2], scales),
                               ("z", INT4, [2], zeros)]),
                   {"x": [x]}, {"y": [[sum(x[k] * real[k][n] for k in range(2)) for n in range(3)]]})

    def test_quantize_to_four_bits(self):
        x = [-3.0, 0.6, 14.4, 40.0, 2.5]
        self.check(onnx.model([node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")],
                              [("x", FLOAT, [5])], [("y", FLOAT, [5])],
                              [("s", FLOAT, [], [1.0]), ("z", UINT4, [], [2])]),
                   {"x": x}, {"y": [saturate(v, 1, 2, 0, 15) - 2.0 for v in x]})

    def test_product_in_integers(self):
        a, b, zero_a, zero_b = [[0, 255, 7], [9, 1, 200]], [[-128, 1], [5, 127], [-3, 4]], 100, [3, -4]
        sums = [[sum((a[i][k] - zero_a) * (b[k][j] - zero_b[j]) for k in range(3)) for j in range(2)]
                for i in range(2)]
        scales, bias = [0.5, 0.25], [1.0, -1.0]
        self.check(onnx.model([node("MatMulInteger", "a b za zb", "i"),
                               node("MatMulIntegerToFloat", "a b sa sb za zb bias", "f", domain="com.microsoft")],
                              [("a", UINT8, ["m", 3])], [("i", INT32, ["m", 2]), ("f", FLOAT, ["m", 2])],
                              [("b", INT8, [3, 2], sum(b, [])), ("za", UINT8, [], [zero_a]),
                               ("zb", INT8, [2], zero_b), ("sa", FLOAT, [], [2.0]), ("sb", FLOAT, [2], scales),
                               ("bias", FLOAT, [2], bias)]),
                   {"a": a}, {"i": sums, "f": [[s * 2 * scales[j] + bias[j] for j, s in enumerate(row)]
                                               for row in sums]})

    def test_dynamic_product(self):
        """x has a range that makes its scale 1: products are those of what was rounded."""
        x, b = [[-55.0, 200.0, 3.4]], [[1, -2], [3, 4], [-5, 6]]
        rounded = [round(v) for v in x[0]]
        self.check(onnx.model([node("DynamicQuantizeMatMul", "x b s", "y", domain="com.microsoft")],
                              [("x", FLOAT, [1, 3])], [("y", FLOAT, [1, 2])],
                              [("b", INT8, [3, 2], sum(b, [])), ("s", FLOAT, [], [0.5])]),
                   {"x": x}, {"y": [[0.5 * sum(rounded[k] * b[k][j] for k in range(3)) for j in range(2)]]})

    def test_convolution(self):
        """Padding is where x is its zero point; a channel of the weight has its own scale and zero point."""
        x, weight, zeros = [10, 255, 0, 7], [[-128, 127, 3], [4, -5, 6]], [-2, 1]
        padded = [0] + [v - 10 for v in x] + [0]
        sums = [[sum(padded[i + k] * (row[k] - zeros[o]) for k in range(3)) for i in range(4)]
                for o, row in enumerate(weight)]
        bias, scales = [100, -7], [0.25, 0.5]
        self.check(onnx.model([node("ConvInteger", "x w zx", "i", pads=[1, 1]),
                               node("QLinearConv", "x sx zx w sw zw sy zy bias", "q", pads=[1, 1])],
                              [("x", UINT8, ["n", 1, 4])], [("i", INT32, ["n", 2, 4]), ("q", UINT8, ["n", 2, 4])],
                              [("w", INT8, [2, 1, 3], sum(weight, [])), ("zx", UINT8, [], [10]),
                               ("zw", INT8, [2], zeros), ("sx", FLOAT, [], [0.5]), ("sw", FLOAT, [2], scales),
                               ("sy", FLOAT, [], [64.0]), ("zy", UINT8, [], [100]), ("bias", INT32, [2], bias)]),
                   {"x": [[x]]},
                   {"i": [[[sum(padded[i + k] * row[k] for k in range(3)) for i in range(4)] for row in weight]],
                    "q": [[[saturate((s + bias[o]) * 0.5 * scales[o], 64, 100, 0, 255) for s in row]
                           for o, row in enumerate(sums)]]})

    def test_uint64_beyond_int64(self):
        x = [2**63 + 5, 2**64 - 1, 17, 2**63]
        y = [7, 2**63 + 1, 2**64 - 2, 2**63]
        ops = {"Div": ("q", UINT64, lambda a, b: a // b), "Mod": ("r", UINT64, lambda a, b: a % b),
               "Max": ("m", UINT64, max), "Min": ("n", UINT64, min), "Less": ("l", onnx.BOOL, lambda a, b: a < b)}
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model([node(op, "x y", name) for op, (name, _, _) in ops.items()] +
                                    [node("Cast", "x", "f", to=FLOAT)],
                                    [("x", UINT64, [4]), ("y", UINT64, [4])],
                                    [(name, dtype, [4]) for name, dtype, _ in ops.values()] + [("f", FLOAT, [4])]))
        options = []
        for name, values in ("x", x), ("y", y):
            write_npy(self.folder / f"{name}.npy", [4], values, "<u8")
            options += ["--input", f"{name}=@{self.folder / name}.npy"]
        for name, dtype, compute in ops.values():
            values = [compute(a, b) for a, b in zip(x, y)]
            write_npy(self.folder / f"{name}.npy", [4], values, "<u8" if dtype == UINT64 else "|b1")
            options += ["--expect", f"{name}=@{self.folder / name}.npy"]
        options += ["--expect", f"f={[float(v) for v in x]}"]
        for how in [], ["--interpret"]:
            self.succeed(mapsto("run", path, *options, *how))

    def test_counts_of_n_grams(self):
        """One number, pairs of two; the places are not in the pool's order, and one is free."""
        x, grams = [[1, 2, 1, 2, 3], [3, 3, 2, 9, 1]], {(1,): 4, (3,): 0, (1, 2): 1, (2, 1): 3}
        weights = [0.5, 2.0, 3.0, 4.0]

        def count(row, gram, skips):
            steps = range(1, skips + 2) if len(gram) > 1 else (1,)
            return sum(all(row[i + k * step] == g for k, g in enumerate(gram)) for step in steps
                       for i in range(len(row) - (len(gram) - 1) * step))

        counts = [[0.0] * 5 for _ in x]
        scaled, seen = [row[:] for row in counts], [row[:] for row in counts]
        for r, row in enumerate(x):
            for (gram, at), weight in zip(grams.items(), weights):
                counts[r][at] = float(count(row, gram, 2))
                scaled[r][at], seen[r][at] = counts[r][at] * weight, weight * (counts[r][at] > 0)
        common = {"pool_int64s": sum(map(list, grams), []), "ngram_counts": [0, 2], "ngram_indexes": list(grams.values()),
                  "weights": weights, "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 2}
        self.check(onnx.model([node("TfIdfVectorizer", "x", mode, mode=mode, **common) for mode in ("TF", "TFIDF", "IDF")],
                              [("x", INT32, ["b", "n"])], [(mode, FLOAT, ["b", 5]) for mode in ("TF", "TFIDF", "IDF")]),
                   {"x": x}, {"TF": counts, "TFIDF": scaled, "IDF": seen})

    def test_shrink_beyond_int64(self):
        """Through f64, which has these numbers."""
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model([node("Shrink", "x", "y", lambd=20.0, bias=2048.0)],
                                    [("x", UINT64, [4])], [("y", UINT64, [4])]))
        for name, values in ("x", [2**63 + 4096, 17, 4096, 2**63]), ("y", [2**63 + 2048, 0, 2048, 2**63 - 2048]):
            write_npy(self.folder / f"{name}.npy", [4], values, "<u8")
        for how in [], ["--interpret"]:
            self.succeed(mapsto("run", path, "--input", f"x=@{self.folder}/x.npy", "--expect", f"y=@{self.folder}/y.npy", *how))


if __name__ == "__main__":
    unittest.main()
