"""RNN, LSTM and GRU of ONNX in random forms, against the op's equations written plainly here
(https://onnx.ai/onnx/operators/onnx__LSTM.html and its neighbours)."""

import math
import random
import unittest

import onnx_file as onnx
from onnx_file import FLOAT, INT32
from support import Test, mapsto

# alpha and beta where they are not given; None: it has none.
ACTIVATIONS = {
    "Affine": (1.0, 0.0, lambda x, a, b: a * x + b),
    "Elu": (1.0, None, lambda x, a, b: x if x >= 0 else a * math.expm1(x)),
    "HardSigmoid": (0.2, 0.5, lambda x, a, b: min(max(a * x + b, 0), 1)),
    "LeakyRelu": (0.01, None, lambda x, a, b: x if x >= 0 else a * x),
    "Relu": (None, None, lambda x, a, b: max(x, 0)),
    "ScaledTanh": (1.0, 1.0, lambda x, a, b: a * math.tanh(b * x)),
    "Sigmoid": (None, None, lambda x, a, b: (1 + math.tanh(x / 2)) / 2),
    "Softplus": (None, None, lambda x, a, b: max(x, 0) + math.log1p(math.exp(-abs(x)))),
    "Softsign": (None, None, lambda x, a, b: x / (1 + abs(x))),
    "Tanh": (None, None, lambda x, a, b: math.tanh(x)),
    "ThresholdedRelu": (1.0, None, lambda x, a, b: x if x >= a else 0),
}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def numbers(rng, *dims):
    if not dims:
        return round(rng.uniform(-1, 1), 4)
    return [numbers(rng, *dims[1:]) for _ in range(dims[0])]


def shape(x):
    return [len(x), *shape(x[0])] if isinstance(x, list) else []


def flat(x):
    return [number for part in x for number in flat(part)] if isinstance(x, list) else [x]


def swapped(x):
    return [list(rows) for rows in zip(*x)]


class Form:
    """A random form of an op: its attributes, its inputs and what they make."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        chance = lambda share: rng.random() < share
        self.op = rng.choice(list(GATES))
        self.steps, self.batch = rng.choice([1, 2, 5]), rng.choice([1, 3, 17])
        self.size, self.hidden = rng.choice([1, 3, 9]), rng.choice([1, 3, 8, 21])
        self.direction = rng.choice(["forward", "reverse", "bidirectional"])
        self.count = 1 + (self.direction == "bidirectional")
        self.batch_first = rng.choice([0, 1])
        rows = GATES[self.op] * self.hidden
        lstm = self.op == "LSTM"
        self.x = numbers(rng, self.steps, self.batch, self.size)
        self.w = numbers(rng, self.count, rows, self.size)
        self.r = numbers(rng, self.count, rows, self.hidden)
        self.b = numbers(rng, self.count, 2 * rows) if chance(0.5) else None
        self.lengths = [rng.randint(0, self.steps) for _ in range(self.batch)] if chance(0.5) else None
        self.h0 = numbers(rng, self.count, self.batch, self.hidden) if chance(0.5) else None
        self.c0 = numbers(rng, self.count, self.batch, self.hidden) if lstm and chance(0.5) else None
        self.p = numbers(rng, self.count, 3 * self.hidden) if lstm and chance(0.4) else None
        self.clip = rng.choice([0.25, 0.75]) if chance(0.3) else None
        self.coupled = lstm and chance(0.2)
        self.reset_after = self.op == "GRU" and chance(0.5)
        self.attributes = {"direction": self.direction, "layout": self.batch_first, "hidden_size": self.hidden}
        if self.clip:
            self.attributes["clip"] = self.clip
        if self.coupled:
            self.attributes["input_forget"] = 1
        if self.reset_after:
            self.attributes["linear_before_reset"] = 1
        self.choose_activations(chance)

    def choose_activations(self, chance):
        names = DEFAULTS[self.op] * self.count
        self.functions = [(ACTIVATIONS[name][2], *ACTIVATIONS[name][:2]) for name in names]
        if chance(0.5):
            return
        names = [self.rng.choice(list(ACTIVATIONS)) if chance(0.7) else name for name in names]
        # Each list is taken in order by those that have such a parameter; it may be too short.
        given = [[round(self.rng.uniform(0.2, 1), 2) for _ in range(self.rng.randint(0, len(names)))] for _ in "ab"]
        self.attributes["activations"] = names
        for key, values in zip(("activation_alpha", "activation_beta"), given):
            if values:
                self.attributes[key] = values
        left = [list(values) for values in given]
        self.functions = []
        for name in names:
            *defaults, function = ACTIVATIONS[name]
            self.functions.append((function, *(rest.pop(0) if default is not None and rest else default
                                               for default, rest in zip(defaults, left))))

    def bounded(self, x):
        return max(-self.clip, min(self.clip, x)) if self.clip else x

    def step(self, d, x, h, c):
        size = self.hidden
        of_direction = self.functions[d * len(DEFAULTS[self.op]):]

        def act(k, value):
            function, alpha, beta = of_direction[k]
            return function(value, alpha, beta)

        def dot(row, values):
            return sum(a * b for a, b in zip(row, values))

        rows = range(GATES[self.op] * size)
        bias = self.b[d] if self.b else [0] * (2 * len(rows))
        from_x = [dot(self.w[d][r], x) + bias[r] for r in rows]
        from_h = [dot(self.r[d][r], h) + bias[len(rows) + r] for r in rows]
        total = lambda gate, k: from_x[gate * size + k] + from_h[gate * size + k]
        units = range(size)
        if self.op == "RNN":
            return [act(0, self.bounded(total(0, k))) for k in units], c
        if self.op == "GRU":
            z, r = ([act(0, self.bounded(total(gate, k))) for k in units] for gate in (0, 1))
            through = [r[k] * h[k] for k in units]
            new = []
            for k in units:
                row = 2 * size + k
                rest = r[k] * from_h[row] if self.reset_after else dot(self.r[d][row], through) + bias[len(rows) + row]
                new.append(act(1, self.bounded(from_x[row] + rest)))
            return [(1 - z[k]) * new[k] + z[k] * h[k] for k in units], c
        peep = self.p[d] if self.p else [0] * (3 * size)
        i = [act(0, self.bounded(total(0, k) + peep[k] * c[k])) for k in units]
        f = [1 - i[k] if self.coupled else act(0, self.bounded(total(2, k) + peep[2 * size + k] * c[k])) for k in units]
        g = [act(1, self.bounded(total(3, k))) for k in units]
        c = [f[k] * c[k] + i[k] * g[k] for k in units]
        o = [act(0, self.bounded(total(1, k) + peep[size + k] * c[k])) for k in units]
        return [o[k] * act(2, c[k]) for k in units], c

    def outputs(self):
        zeros = [0.0] * self.hidden
        y = [[[zeros] * self.batch for _ in range(self.count)] for _ in range(self.steps)]
        ends = [[[None] * self.batch for _ in range(self.count)] for _ in "hc"]
        for d in range(self.count):
            for row in range(self.batch):
                h, c = (start[d][row] if start else zeros for start in (self.h0, self.c0))
                times = range(self.lengths[row] if self.lengths else self.steps)
                for t in reversed(times) if d or self.direction == "reverse" else times:
                    h, c = self.step(d, self.x[t][row], h, c)
                    y[t][d][row] = h
                ends[0][d][row], ends[1][d][row] = h, c
        if self.batch_first:
            y = [[[y[t][d][row] for d in range(self.count)] for t in range(self.steps)] for row in range(self.batch)]
            ends = [swapped(end) for end in ends]
        return {"Y": y, "Yh": ends[0], **({"Yc": ends[1]} if self.op == "LSTM" else {})}

    def inputs(self):
        """By name, in the op's order; None where one is left out."""
        turn = lambda x: swapped(x) if x and self.batch_first else x
        all_ = {"X": turn(self.x), "W": self.w, "R": self.r, "B": self.b, "L": self.lengths, "H": turn(self.h0)}
        return {**all_, "C": turn(self.c0), "P": self.p} if self.op == "LSTM" else all_


class Recurrent(Test):
    def check(self, seed):
        form = Form(seed)
        inputs, outputs = form.inputs(), form.outputs()
        wanted = [name for name in outputs if form.rng.random() < 0.8] or ["Y"]
        call = onnx.node(form.op, " ".join(name if value else "-" for name, value in inputs.items()),
                         " ".join(name if name in wanted else "-" for name in outputs), **form.attributes)
        stored = "WRBP" if form.rng.random() < 0.5 else ""
        described = {name: (name, INT32 if name == "L" else FLOAT, shape(value)) for name, value in inputs.items() if value}
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model(
            [call], [i for name, i in described.items() if name not in stored],
            [(name, FLOAT, shape(outputs[name])) for name in wanted],
            [(*i, flat(inputs[name])) for name, i in described.items() if name in stored]))
        options = [f"--input={name}={inputs[name]}" for name in described if name not in stored]
        options += [f"--expect={name}={outputs[name]}" for name in wanted]
        with self.subTest(seed=seed, op=form.op, **form.attributes):
            for how in [], ["--interpret"]:
                self.succeed(mapsto("run", path, *options, *how))

    def test_forms(self):
        for seed in range(30):
            self.check(seed)

    def test_weights_taken_apart(self):
        """Weights that the graph puts together are put together when it is compiled."""
        rng = random.Random(1)
        first, second, r = numbers(rng, 1, 12, 5), numbers(rng, 1, 12, 5), numbers(rng, 1, 24, 6)
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model([onnx.node("Concat", "first second", "W", axis=1), onnx.node("LSTM", "X W R", "Y")],
                                    [("X", FLOAT, ["T", "B", 5])], [("Y", FLOAT, ["T", 1, "B", 6])],
                                    [("first", FLOAT, [1, 12, 5], flat(first)), ("second", FLOAT, [1, 12, 5], flat(second)),
                                     ("R", FLOAT, [1, 24, 6], flat(r))]))
        shown = self.succeed(mapsto("inspect", path, "--phase", "optimized")).stdout
        self.assertNotIn("concat", shown.replace("loc(", ""))
        self.succeed(mapsto("verify", path))

    def test_what_does_not_fit(self):
        for attributes, rows, text in [({"hidden_size": 3}, 8, "`hidden_size` is 3"), ({}, 6, "W is [1, 6, 1]"),
                                       ({"direction": "up"}, 8, "no direction `up`"),
                                       ({"activations": ["Tanh"]}, 8, "asks for 3"),
                                       ({"activations": ["Tanh", "Tanh", "Cosine"]}, 8, "no activation `Cosine`")]:
            path = self.folder / "model.onnx"
            path.write_bytes(onnx.model([onnx.node("LSTM", "X W R", "Y", **attributes)],
                                        [("X", FLOAT, ["T", "B", 1]), ("W", FLOAT, [1, rows, 1]), ("R", FLOAT, [1, 8, 2])],
                                        [("Y", FLOAT, ["T", 1, "B", 2])]))
            self.refuse(mapsto("run", path), text)


if __name__ == "__main__":
    unittest.main()
