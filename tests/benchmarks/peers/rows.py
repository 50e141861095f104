"""The rows of the comparison: sizes, weights, inputs, and what each costs.

Weights have PyTorch's names and layouts, which are Mapsto's. All data is made
from the row's name, so that every process makes the same."""

import dataclasses
import zlib

import numpy as np


@dataclasses.dataclass
class Row:
    name: str
    kind: str  # which forms the peers have: onnx_forms, torch_forms
    model: str  # a file beside ../models, or of the tests' models
    arguments: dict
    weights: dict
    inputs: dict
    outputs: dict  # name: shape
    flops: float
    moved: float  # bytes that must be read or written, at least
    footprint: float  # bytes that are used again and again: which memory feeds it
    sizes: dict  # of the kind's own


class Random:
    def __init__(self, name):
        self.generator = np.random.default_rng(zlib.crc32(name.encode()))

    def __call__(self, *shape, scale=1.0, offset=0.0):
        values = self.generator.uniform(-1, 1, shape) * scale + offset
        return np.ascontiguousarray(values, dtype=np.float32)

    def weight(self, rows, columns):
        return self(rows, columns, scale=columns**-0.5)


F32 = 4  # bytes


def product(name, m, k, n, gelu=False):
    random = Random(name)
    weights = {"linear.weight": random.weight(n, k)}
    if gelu:
        weights["linear.bias"] = random(n, scale=0.1)
    total = F32 * (m * k + k * n + m * n)
    return Row(name, "product", "dense_gelu" if gelu else "product", dict(inner=k, columns=n), weights,
               dict(x=random(m, k)), dict(y=(m, n)), 2.0 * m * k * n, total, total, dict(m=m, k=k, n=n, gelu=gelu))


def attention(name, heads, length, causal):
    random, width = Random(name), 64
    shape = (1, heads, length, width)
    flops = 4.0 * heads * length * length * width / (2 if causal else 1)
    total = 4 * F32 * heads * length * width
    return Row(name, "attention", "attention", dict(is_causal=str(causal).lower()), {},
               {x: random(*shape) for x in "qkv"}, dict(y=shape), flops, total, total,
               dict(heads=heads, length=length, width=width, causal=causal))


GATES = dict(lstm=4, gru=3, rnn=1)
DIRECTIONS = ("", "_reverse")


def recurrent(name, cell, steps, batch, width, hidden, bidirectional=False):
    random, gates = Random(name), GATES[cell]
    scale, directions = hidden**-0.5, 2 if bidirectional else 1
    weights = {}
    for direction in DIRECTIONS[:directions]:
        weights[f"{cell}.weight_ih_l0{direction}"] = random(gates * hidden, width, scale=scale)
        weights[f"{cell}.weight_hh_l0{direction}"] = random(gates * hidden, hidden, scale=scale)
        weights[f"{cell}.bias_ih_l0{direction}"] = random(gates * hidden, scale=scale)
        weights[f"{cell}.bias_hh_l0{direction}"] = random(gates * hidden, scale=scale)
    own = F32 * directions * gates * hidden * hidden
    arguments = dict(input_size=width, hidden_size=hidden)
    if bidirectional:
        arguments["bidirectional"] = "true"
    return Row(name, "recurrent", cell, arguments, weights,
               dict(x=random(steps, batch, width)), dict(y=(steps, batch, directions * hidden)),
               2.0 * steps * batch * directions * gates * hidden * (width + hidden), own * steps, own,
               dict(cell=cell, steps=steps, batch=batch, width=width, hidden=hidden, directions=directions))


def encoder(name, layers, width, heads, hidden, length):
    random = Random(name)
    weights = {}
    for i in range(layers):
        layer = f"encoder.layers.{i}."
        shapes = {"self_attn.in_proj_": (3 * width, width), "self_attn.out_proj.": (width, width),
                  "linear1.": (hidden, width), "linear2.": (width, hidden)}
        for part, shape in shapes.items():
            weights[layer + part + "weight"] = random.weight(*shape)
            weights[layer + part + "bias"] = random(shape[0], scale=0.1)
        for norm in ("norm1", "norm2"):
            weights[f"{layer}{norm}.weight"] = random(width, scale=0.1, offset=1)
            weights[f"{layer}{norm}.bias"] = random(width, scale=0.1)
    flops = layers * 2.0 * length * (4 * width * width + 2 * width * hidden + 2 * length * width)
    total = F32 * layers * (4 * width * width + 2 * width * hidden)
    return Row(name, "encoder", "encoder", dict(layers=layers, width=width, heads=heads, hidden=hidden), weights,
               dict(x=random(1, length, width)), dict(y=(1, length, width)), flops, total, total,
               dict(layers=layers, width=width, heads=heads, hidden=hidden, length=length))


def elementwise(name, kind, m, n, scale):
    random = Random(name)
    arguments, weights = {}, {}
    if kind == "layer_norm":
        arguments = dict(width=n)
        weights = {"norm.weight": random(n, scale=0.1, offset=1), "norm.bias": random(n, scale=0.1)}
    total = 2 * F32 * m * n
    return Row(name, kind, kind, arguments, weights, dict(x=random(m, n, scale=scale)), dict(y=(m, n)), 0, total,
               total, {})


def additive(name, batch, keys, units):
    random = Random(name)
    weights = {}
    for part, rows in (("W1", units), ("W2", units), ("V", 1)):
        weights[part + ".weight"] = random.weight(rows, units)
        weights[part + ".bias"] = random(rows, scale=0.1)
    total = F32 * batch * keys * units
    return Row(name, "additive", "bahdanau", dict(query_size=units, value_size=units, units=units), weights,
               dict(query=random(batch, units), values=random(batch, keys, units)),
               dict(context=(batch, units), weights=(batch, keys)),
               2.0 * batch * keys * units * (units + 2), total, total, dict(batch=batch, keys=keys, units=units))


def rnn_linear(name, steps, hidden):
    row = recurrent(name, "rnn", steps, 1, 1, hidden)
    random = Random(name + " read-out")
    weights = dict(row.weights)
    weights["fc.weight"], weights["fc.bias"] = random.weight(1, hidden), random(1, scale=0.1)
    return dataclasses.replace(row, kind="rnn_linear", model="seq_model", arguments={}, weights=weights,
                               inputs=dict(x=random(1, steps, 1)), outputs=dict(y=(1, 1)))


def classifier(name, steps):
    random, words, width, classes, heads = Random(name), 1000, 64, 10, 4
    weights = {"embedding.weight": random(words, width)}
    for part, rows in (("dense.", width), ("mha.in_proj_", 3 * width), ("mha.out_proj.", width), ("out.", classes)):
        weights[part + "weight"] = random.weight(rows, width)
        weights[part + "bias"] = random(rows, scale=0.1)
    ids = random.generator.integers(0, words, (1, steps))
    total = F32 * (steps * width + 5 * width * width + width * classes)
    return Row(name, "classifier", "classifier_pooled_first",
               dict(vocabulary=words, dim=width, heads=heads, classes=classes), weights, dict(ids=ids),
               dict(probs=(1, classes)), 2.0 * (5 * width * width + width * classes) + steps * width, total, total,
               dict(width=width, heads=heads))


def lstm_step(name, words, width):
    random = Random(name)
    weights = {"embedding.weight": random(words, width), "out.weight": random.weight(words, width),
               "out.bias": random(words, scale=0.1)}
    for side in ("ih", "hh"):
        weights[f"cell.weight_{side}"] = random.weight(4 * width, width)
        weights[f"cell.bias_{side}"] = random(4 * width, scale=0.1)
    total = F32 * (8 * width * width + words * width)
    return Row(name, "lstm_step", "lstm_step", dict(vocabulary=words, width=width), weights,
               dict(id=np.array([7], np.int64), h=random(1, width), c=random(1, width)),
               dict(logits=(1, words), hn=(1, width), cn=(1, width)), total / F32 * 2, total, total,
               dict(width=width))


def table():
    """Every row's name and how to make it."""
    rows = {
        "matmul 512": (product, 512, 512, 512),
        "matmul 1024": (product, 1024, 1024, 1024),
        "ffn up 128x768x3072": (product, 128, 768, 3072),
        "ffn up + bias + gelu": (product, 128, 768, 3072, True),
        "ffn down 128x3072x768": (product, 128, 3072, 768),
        "ffn down + bias + gelu": (product, 128, 3072, 768, True),
        "gemv 1024": (product, 1, 1024, 1024),
    }
    for length in (128, 512, 2048, 4096):
        for causal in (False, True):
            rows[f"attention 8x{length}x64" + (" causal" if causal else "")] = (attention, 8, length, causal)
    for cell in GATES:
        rows[f"{cell} 256 batch 1"] = (recurrent, cell, 100, 1, 256, 256)
        rows[f"{cell} 256 batch 32"] = (recurrent, cell, 100, 32, 256, 256)
        rows[f"{cell} 1 to 16"] = (recurrent, cell, 128, 1, 1, 16)
    rows["bidirectional lstm 256"] = (recurrent, "lstm", 100, 1, 256, 256, True)
    rows.update({
        "bert layer": (encoder, 1, 768, 12, 3072, 128),
        "minilm 6 layers": (encoder, 6, 384, 12, 1536, 128),
        "softmax 4096x4096": (elementwise, "softmax", 4096, 4096, 4),
        "layer norm 4096x768": (elementwise, "layer_norm", 4096, 768, 1),
        "gelu tanh 4096x3072": (elementwise, "gelu", 4096, 3072, 4),
        "additive attention 64": (additive, 10, 64, 128),
        "additive attention 512": (additive, 10, 512, 128),
        "rnn + linear": (rnn_linear, 100, 16),
        "classifier": (classifier, 100),
        "lstm step": (lstm_step, 1000, 256),
    })
    return rows


def make(name):
    function, *arguments = table()[name]
    return function(name, *arguments)
