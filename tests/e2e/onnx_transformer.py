"""ONNX models of transformers: attention in one op, fused ops of com.microsoft, and
attention that an exporter took apart. What is expected is computed here, plainly."""

import math
import random
import unittest

import onnx_file as onnx
from onnx_file import FLOAT, INT32, INT64, node
from support import Test, mapsto

MICROSOFT = "com.microsoft"


def shape_of(x):
    return [len(x)] + shape_of(x[0]) if isinstance(x, list) else []


def flat(x):
    return [e for row in x for e in flat(row)] if isinstance(x, list) else [x]


def attention(q, k, v, scale=None, kept=lambda b, h, i, j: True, bias=lambda b, h, i, j: 0.0, cap=None):
    """q [B][H][L][D], k [B][Hk][S][D], v [B][Hk][S][E]; query head h has key head h / (H / Hk)."""
    group = len(q[0]) // len(k[0])
    scale = scale or 1 / math.sqrt(len(q[0][0][0]))

    def row(b, h, i):
        keys, values = k[b][h // group], v[b][h // group]
        weights = [0.0] * len(keys)
        for j, key in enumerate(keys):
            s = scale * sum(x * y for x, y in zip(q[b][h][i], key))
            s = cap * math.tanh(s / cap) if cap else s
            weights[j] = math.exp(s + bias(b, h, i, j)) if kept(b, h, i, j) else 0.0
        total = sum(weights)
        return [sum(w * value[e] for w, value in zip(weights, values)) / total for e in range(len(values[0]))]

    return [[[row(b, h, i) for i in range(len(q[b][h]))] for h in range(len(q[b]))] for b in range(len(q))]


def split(x, heads):
    """[B][L][H * D] as [B][H][L][D]."""
    size = len(x[0][0]) // heads
    return [[[row[h * size:(h + 1) * size] for row in rows] for h in range(heads)] for rows in x]


def merge(x):
    return [[[e for h in range(len(b)) for e in b[h][i]] for i in range(len(b[0]))] for b in x]


def join(past, now):
    return [[p + n for p, n in zip(*rows)] for rows in zip(past, now)]


def turned(x, cosines, sines, first):
    """Feature d and d + D / 2 of position i by the angles of row first + i."""
    half = len(x[0][0][0]) // 2

    def row(r, i):
        c, s = cosines[first + i], sines[first + i]
        return ([r[d] * c[d] - r[d + half] * s[d] for d in range(half)] +
                [r[d] * s[d] + r[d + half] * c[d] for d in range(half)])

    return [[[row(r, i) for i, r in enumerate(h)] for h in b] for b in x]


class Transformers(Test):
    def setUp(self):
        super().setUp()
        self.random = random.Random(7)

    def numbers(self, *shape):
        if not shape:
            return self.random.uniform(-1, 1)
        return [self.numbers(*shape[1:]) for _ in range(shape[0])]

    def check(self, op, inputs, expected, domain=MICROSOFT, **attributes):
        """One op: inputs are (name, value) or None where left out; lists of whole numbers are i32."""
        def kind(value):
            return FLOAT if isinstance(flat(value)[0], float) else INT32

        names = " ".join(i[0] if i else "" for i in inputs)
        given = [i for i in inputs if i]
        self.run_model(onnx.model([node(op, names, " ".join(expected), domain, **attributes)],
                                  [(n, kind(v), shape_of(v)) for n, v in given],
                                  [(n, FLOAT, shape_of(v)) for n, v in expected.items() if n]),
                       dict(given), {n: v for n, v in expected.items() if n})

    def run_model(self, model, inputs, expected):
        path = self.folder / "model.onnx"
        path.write_bytes(model)
        options = [f"--input={name}={value}" for name, value in inputs.items()]
        for name, value in expected.items():
            options += ["--expect", f"{name}={value}"]
        for how in [], ["--interpret"]:
            self.succeed(mapsto("run", path, *options, *how))
        return path

    def test_attention_of_a_projection(self):
        x, w, b = self.numbers(2, 3, 8), self.numbers(8, 24), self.numbers(24)
        past, mask = self.numbers(2, 2, 2, 2, 4), [[1, 1, 0, 1, 1], [1, 1, 1, 1, 1]]
        all = [[[sum(r[i] * w[i][o] for i in range(8)) + b[o] for o in range(24)] for r in rows] for rows in x]
        q, k, v = (split([[r[s:s + 8] for r in rows] for rows in all], 2) for s in (0, 8, 16))
        k, v = join(past[0], k), join(past[1], v)
        y = attention(q, k, v, kept=lambda b, h, i, j: j <= i + 2, bias=lambda b, h, i, j: 0 if mask[b][j] else -10000)
        self.check("Attention", [("x", x), ("w", w), ("b", b), ("mask", mask), ("past", past)],
                   {"y": merge(y), "present": [k, v]}, num_heads=2, unidirectional=1)

    def test_multi_head_attention(self):
        q, k, v = self.numbers(2, 3, 8), self.numbers(2, 5, 8), self.numbers(2, 5, 12)
        b, table, lengths = self.numbers(28), self.numbers(1, 2, 3, 5), [2, 5]

        def biased(x, first):
            return [[[e + b[first + i] for i, e in enumerate(r)] for r in rows] for rows in x]

        y = attention(split(biased(q, 0), 2), split(biased(k, 8), 2), split(biased(v, 16), 2), scale=0.3,
                      bias=lambda b, h, i, j: table[0][h][i][j] + (0 if j < lengths[b] else -10000))
        self.check("MultiHeadAttention",
                   [("q", q), ("k", k), ("v", v), ("b", b), ("lengths", lengths), ("table", table)],
                   {"y": merge(y)}, num_heads=2, scale=0.3)

    def test_grouped_queries_with_a_cache(self):
        q, k, v = split(self.numbers(2, 1, 64), 4), split(self.numbers(2, 1, 32), 2), split(self.numbers(2, 1, 32), 2)
        past_k, past_v = self.numbers(2, 2, 4, 16), self.numbers(2, 2, 4, 16)
        c, s = self.numbers(10, 8), self.numbers(10, 8)
        keys, values = join(past_k, turned(k, c, s, 4)), join(past_v, v)
        y = attention(turned(q, c, s, 4), keys, values, kept=lambda b, h, i, j: j > i + 4 - 3, cap=5.0)
        self.check("GroupQueryAttention",
                   [("q", merge(q)), ("k", merge(k)), ("v", merge(v)), ("pk", past_k), ("pv", past_v),
                    ("last", [4, 4]), ("total", [5]), ("c", c), ("s", s)],
                   {"y": merge(y), "keys": keys, "values": values},
                   num_heads=4, kv_num_heads=2, do_rotary=1, local_window_size=3, softcap=5.0)

    def test_residual_and_normalization(self):
        x, skip, gamma, beta = self.numbers(2, 3, 8), self.numbers(3, 8), self.numbers(8), self.numbers(8)
        total = [[[a + b for a, b in zip(*r)] for r in zip(rows, skip)] for rows in x]

        def normal(row):
            mean = sum(row) / 8
            scale = 1 / math.sqrt(sum((e - mean)**2 for e in row) / 8 + 1e-5)
            return [(e - mean) * scale * g + o for e, g, o in zip(row, gamma, beta)]

        self.check("SkipLayerNormalization", [("x", x), ("skip", skip), ("gamma", gamma), ("beta", beta)],
                   {"y": [[normal(r) for r in rows] for rows in total]}, epsilon=1e-5)

    def test_attention_taken_apart(self):
        """Grouped heads, a stored causal table that is sliced, softmax of f32: one kernel."""
        q, k, v = self.numbers(1, 4, 3, 8), self.numbers(1, 2, 3, 8), self.numbers(1, 2, 3, 8)
        y = attention(q, k, v, kept=lambda b, h, i, j: j <= i)
        nodes = [
            node("Unsqueeze", "k axes", "k1"), node("Expand", "k1 five", "k2"), node("Reshape", "k2 four", "k3"),
            node("Unsqueeze", "v axes", "v1"), node("Expand", "v1 five", "v2"), node("Reshape", "v2 four", "v3"),
            node("Transpose", "k3", "kt", perm=[0, 1, 3, 2]), node("MatMul", "q kt", "s"), node("Div", "s root", "t"),
            node("Slice", "causal zero length last", "c1"), node("Slice", "c1 zero length first", "c2"),
            node("Add", "t c2", "u"), node("Softmax", "u", "p", axis=-1), node("MatMul", "p v3", "y")]
        causal = [0.0 if j <= i else -math.inf for i in range(16) for j in range(16)]
        model = onnx.model(nodes, [("q", FLOAT, [1, 4, 3, 8]), ("k", FLOAT, [1, 2, 3, 8]), ("v", FLOAT, [1, 2, 3, 8])],
                           [("y", FLOAT, [1, 4, 3, 8])],
                           [("axes", INT64, [1], [2]), ("five", INT64, [5], [1, 2, 2, 3, 8]),
                            ("four", INT64, [4], [1, 4, 3, 8]), ("root", FLOAT, [], [math.sqrt(8)]),
                            ("causal", FLOAT, [16, 16], causal), ("zero", INT64, [1], [0]),
                            ("length", INT64, [1], [3]), ("last", INT64, [1], [1]), ("first", INT64, [1], [0])])
        path = self.run_model(model, {"q": q, "k": k, "v": v}, {"y": y})
        text = self.succeed(mapsto("inspect", path)).stdout
        self.assertIn("kernels (1)", text)
        self.assertIn("is one attention", text)


if __name__ == "__main__":
    unittest.main()
