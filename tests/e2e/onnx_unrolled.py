"""Recurrences that an exporter wrote out step by step: one scan, whatever the cell. Each op is written
into the model and computed here at once."""

import math
import random
import re
import time
import unittest

import onnx_file as onnx
from onnx_file import FLOAT, INT64, node
from support import SANITIZED, Test, mapsto

DEVICES = ("cpu",) if SANITIZED else ("cpu", "vulkan")  # sanitizers find the driver's leaks

sigmoid = lambda x: (1 + math.tanh(x / 2)) / 2


class Rows:
    """A matrix of the model: its name and its elements."""

    def __init__(self, name, rows):
        self.name, self.rows = name, rows


class Graph:
    """A model of steps over x, [batch, time, size] or [time, batch, size]."""

    def __init__(self, steps, batch=2, size=3, hidden=5, batch_first=True, seed=1):
        self.random = random.Random(seed)
        self.steps, self.batch, self.size, self.hidden = steps, batch, size, hidden
        self.axis = 1 if batch_first else 0
        self.nodes, self.stored, self.outputs = [], [("axis", INT64, [1], [self.axis])], {}
        self.x = [[self.numbers(size) for _ in range(batch)] for _ in range(steps)]
        self.zeros = self.constant([[0.0] * hidden for _ in range(batch)])

    def numbers(self, count):
        return [round(self.random.uniform(-1, 1), 3) for _ in range(count)]

    def name(self):
        return f"v{len(self.nodes)}_{len(self.stored)}"

    def constant(self, rows):
        name = self.name()
        self.stored.append((name, FLOAT, [len(rows), len(rows[0])], [e for row in rows for e in row]))
        return Rows(name, rows)

    def weight(self, rows, columns):
        return self.constant([self.numbers(columns) for _ in range(rows)])

    def add_node(self, op, inputs, rows, **attributes):
        made = Rows(self.name(), rows)
        self.nodes.append(node(op, " ".join(i if isinstance(i, str) else i.name for i in inputs), made.name, **attributes))
        return made

    def step(self, t):
        """x at t, as PyTorch writes it: a Gather."""
        self.stored.append((f"t{t}_{len(self.stored)}", INT64, [], [t]))
        return self.add_node("Gather", ["x", self.stored[-1][0]], self.x[t], axis=self.axis)

    def split_steps(self):
        """x in parts, as tf2onnx writes it."""
        names = [f"x{t}" for t in range(self.steps)]
        self.nodes.append(node("Split", "x", " ".join(names), axis=self.axis, num_outputs=self.steps))
        return [self.add_node("Squeeze", [name, "axis"], self.x[t]) for t, name in enumerate(names)]

    def matmul(self, a, w):
        columns = list(zip(*w.rows))
        return self.add_node("MatMul", [a, w], [[sum(p * q for p, q in zip(r, c)) for c in columns] for r in a.rows])

    def gemm(self, a, w, b):
        """Of w transposed."""
        rows = [[sum(p * q for p, q in zip(r, c)) + o for c, o in zip(w.rows, b.rows[0])] for r in a.rows]
        return self.add_node("Gemm", [a, w, b], rows, transB=1)

    def pointwise(self, op, function, *operands):
        """The last operand may be one row."""
        of = [o.rows if len(o.rows) == self.batch else o.rows * self.batch for o in operands]
        return self.add_node(op, operands, [[function(*e) for e in zip(*r)] for r in zip(*of)])

    add = lambda self, a, b: self.pointwise("Add", lambda x, y: x + y, a, b)
    sub = lambda self, a, b: self.pointwise("Sub", lambda x, y: x - y, a, b)
    mul = lambda self, a, b: self.pointwise("Mul", lambda x, y: x * y, a, b)
    sigmoid = lambda self, a: self.pointwise("Sigmoid", sigmoid, a)
    tanh = lambda self, a: self.pointwise("Tanh", math.tanh, a)

    def concat(self, a, b):
        return self.add_node("Concat", [a, b], [p + q for p, q in zip(a.rows, b.rows)], axis=1)

    def split(self, a, count):
        width = len(a.rows[0]) // count
        parts = [Rows(f"{self.name()}_{i}", [r[i * width:(i + 1) * width] for r in a.rows]) for i in range(count)]
        self.nodes.append(node("Split", a.name, " ".join(p.name for p in parts), axis=1, num_outputs=count))
        return parts

    def output(self, value, name):
        self.nodes.append(node("Identity", value.name, name))
        self.outputs[name] = value.rows

    def stack(self, values, name):
        raised = [self.add_node("Unsqueeze", [v, "axis"], v.rows) for v in values]
        self.nodes.append(node("Concat", " ".join(v.name for v in raised), name, axis=self.axis))
        self.outputs[name] = self.turned([v.rows for v in values])

    def turned(self, by_time):
        return [list(rows) for rows in zip(*by_time)] if self.axis else by_time

    def model(self):
        def shape(x):
            return [len(x), *shape(x[0])] if isinstance(x, list) else []

        x = self.turned(self.x)
        return onnx.model(self.nodes, [("x", FLOAT, shape(x))],
                          [(name, FLOAT, shape(value)) for name, value in self.outputs.items()], self.stored)


class Resized:
    """A graph whose steps' inputs have another size."""

    def __init__(self, graph, size):
        self.graph, self.size = graph, size

    def __getattr__(self, name):
        return getattr(self.graph, name)


def lstm(g):
    """Gates i, f, g, o of one product each of x and h."""
    w, r, b = g.weight(g.size, 4 * g.hidden), g.weight(g.hidden, 4 * g.hidden), g.weight(1, 4 * g.hidden)

    def cell(x, state):
        h, c = state or (g.zeros, g.zeros)
        i, f, n, o = g.split(g.add(g.add(g.matmul(x, w), g.matmul(h, r)), b), 4)
        c = g.add(g.mul(g.sigmoid(f), c), g.mul(g.sigmoid(i), g.tanh(n)))
        return g.mul(g.sigmoid(o), g.tanh(c)), c
    return cell


def lstm_of_concat(g):
    """One product of x and h laid side by side."""
    w, b = g.weight(g.size + g.hidden, 4 * g.hidden), g.weight(1, 4 * g.hidden)

    def cell(x, state):
        h, c = state or (g.zeros, g.zeros)
        i, n, f, o = g.split(g.add(g.matmul(g.concat(x, h), w), b), 4)
        c = g.add(g.mul(c, g.sigmoid(f)), g.mul(g.sigmoid(i), g.tanh(n)))
        return g.mul(g.tanh(c), g.sigmoid(o)), c
    return cell


def gru(g):
    """The reset gate after the product, as PyTorch has it, of Gemm."""
    w, r = g.weight(3 * g.hidden, g.size), g.weight(3 * g.hidden, g.hidden)
    b, c = g.weight(1, 3 * g.hidden), g.weight(1, 3 * g.hidden)

    def cell(x, state):
        h, = state or (g.zeros,)
        (xr, xz, xn), (hr, hz, hn) = g.split(g.gemm(x, w, b), 3), g.split(g.gemm(h, r, c), 3)
        z = g.sigmoid(g.add(xz, hz))
        n = g.tanh(g.add(xn, g.mul(g.sigmoid(g.add(xr, hr)), hn)))
        return g.add(n, g.mul(z, g.sub(h, n))),
    return cell


def gru_reset_before(g):
    """The reset gate before the product, a matrix a gate, as Keras may have it."""
    w = [g.weight(g.size, g.hidden) for _ in range(3)]
    r = [g.weight(g.hidden, g.hidden) for _ in range(3)]
    b = [g.weight(1, g.hidden) for _ in range(3)]

    def cell(x, state):
        h, = state or (g.zeros,)
        gate = lambda k, of: g.add(g.add(g.matmul(x, w[k]), b[k]), g.matmul(of, r[k]))
        z, reset = g.sigmoid(gate(0, h)), g.sigmoid(gate(1, h))
        n = g.tanh(gate(2, g.mul(reset, h)))
        return g.add(g.mul(z, h), g.sub(n, g.mul(z, n))),
    return cell


def rnn(g):
    """The first step has no state to multiply."""
    w, r, b = g.weight(g.size, g.hidden), g.weight(g.hidden, g.hidden), g.weight(1, g.hidden)

    def cell(x, state):
        a = g.add(g.matmul(x, w), b)
        return g.tanh(g.add(a, g.matmul(state[0], r)) if state else a),
    return cell


class Unrolled(Test):
    def check(self, g, kernels=None, device="cpu"):
        path = self.folder / "model.onnx"
        path.write_bytes(g.model())
        options = [f"--input=x={g.turned(g.x)}"] + [f"--expect={name}={rows}" for name, rows in g.outputs.items()]
        self.succeed(mapsto("run", path, *options, "--interpret"))
        self.succeed(mapsto("run", path, *options, "--device", device))
        text = self.succeed(mapsto("inspect", path)).stdout
        if kernels is not None:
            self.assertIn(f"kernels ({kernels})", text)
        return text

    def unroll(self, g, cell, xs, state=None):
        states = []
        for x in xs:
            state = cell(x, state)
            states.append(state)
        return states

    def steps(self, g, backwards=False):
        times = range(g.steps)
        return [g.step(t) for t in (reversed(times) if backwards else times)]

    def test_cells(self):
        for cell, kernels in (lstm, 2), (lstm_of_concat, 2), (gru, 2), (gru_reset_before, 4), (rnn, 4):
            for device in DEVICES:
                with self.subTest(cell=cell.__name__, device=device):
                    g = Graph(6)
                    states = self.unroll(g, cell(g), self.steps(g))
                    g.stack([s[0] for s in states], "all")
                    for k, last in enumerate(states[-1]):
                        g.output(last, f"last{k}")
                    text = self.check(g, kernels, device)
                    self.assertRegex(text, r": \d steps that were written out are one recurrence")
                    self.assertEqual(len(re.findall(r"^ +\d+ +scan ", text, re.M)), 1)


    def test_directions(self):
        for batch_first in True, False:
            with self.subTest(batch_first=batch_first):
                g = Graph(5, batch_first=batch_first)
                cell = lstm(g)
                ahead = [s[0] for s in self.unroll(g, cell, g.split_steps())]
                cell = lstm(g)
                back = [s[0] for s in self.unroll(g, cell, self.steps(g, backwards=True))][::-1]
                g.stack([g.concat(a, b) for a, b in zip(ahead, back)], "both")
                g.stack(back[::-1], "turned")
                text = self.check(g)
                self.assertEqual(text.count("5 steps that were written out are one recurrence"), 2)

    def test_first_step_apart(self):
        """All but the first step's results are an output."""
        g = Graph(6, batch_first=False)
        states = self.unroll(g, lstm(g), self.steps(g))
        g.stack([s[0] for s in states[1:]], "rest")
        g.output(states[-1][0], "last")
        self.check(g, 3)

    def test_layers(self):
        """The products of the second one's input are one, too, and so is what is made of its results."""
        g = Graph(5)
        cells, states = [lstm(g), gru(Resized(g, g.hidden))], [None, None]
        w, outputs = g.weight(g.hidden, 4), []
        for x in self.steps(g):
            for k, cell in enumerate(cells):
                states[k] = cell(x, states[k])
                x = states[k][0]
            outputs.append(g.tanh(g.matmul(x, w)))
        g.stack(outputs, "y")
        text = self.check(g, 5)
        self.assertEqual(text.count("5 steps that were written out are one recurrence"), 2)

    def test_single_steps_of_an_op(self):
        """PyTorch's LSTMCell as an LSTM of one step each."""
        g = Graph(4)
        g.stored += [("w", FLOAT, [1, 20, 3], g.numbers(60)), ("r", FLOAT, [1, 20, 5], g.numbers(100)),
                     ("front", INT64, [1], [0]), ("h0", FLOAT, [1, 2, 5], [0.0] * 10)]
        h = c = "h0"
        for t, x in enumerate(self.steps(g)):
            g.nodes += [node("Unsqueeze", f"{x.name} front", f"x1_{t}"),
                        node("LSTM", f"x1_{t} w r - - {h} {c}", f"y{t} h{t} c{t}", hidden_size=5)]
            h, c = f"h{t}", f"c{t}"
        g.nodes.append(node("Squeeze", f"{h} front", "y"))
        g.outputs["y"] = g.zeros.rows
        path = self.folder / "model.onnx"
        path.write_bytes(g.model())
        self.succeed(mapsto("verify", path))
        text = self.succeed(mapsto("inspect", path)).stdout
        self.assertIn("kernels (2)", text)

    def test_long(self):
        """Compiling takes time in proportion to the number of steps."""
        seconds = []
        for steps in 50, 200:
            g = Graph(steps)
            g.stack([s[0] for s in self.unroll(g, lstm(g), self.steps(g))], "all")
            path = self.folder / "model.onnx"
            path.write_bytes(g.model())
            begin = time.monotonic()
            self.assertIn("kernels (2)", self.succeed(mapsto("inspect", path)).stdout)
            seconds.append(time.monotonic() - begin)
        self.assertLess(seconds[1], 8 * seconds[0])


if __name__ == "__main__":
    unittest.main()
