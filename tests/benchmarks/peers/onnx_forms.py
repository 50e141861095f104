"""Every way to write a row's model in ONNX that may be the fastest: plain
operators, fused ones, ONNX Runtime's contributed ones."""

import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rows import DIRECTIONS

CONTRIBUTED = "com.microsoft"


@dataclasses.dataclass
class Form:
    name: str
    model: onnx.ModelProto
    inputs: dict  # as the form wants them
    outputs: dict  # name: shape
    restore: object = None  # what turns its results into the row's


class Graph:
    """A graph under construction: operators in order, constants by name."""

    def __init__(self, opset=17):
        self.opset, self.nodes, self.constants = opset, [], {}

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name)
        return name

    def integers(self, *values):
        return self.constant(np.array(values), np.int64)

    def __call__(self, op, *inputs, to=None, contributed=False, **attributes):
        outputs = to or [f"t{len(self.nodes)}"]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, domain=CONTRIBUTED if contributed else "",
                                           **attributes))
        return next(name for name in outputs if name)

    def linear(self, x, weight, bias=None):
        y = self("MatMul", x, self.constant(weight.T))
        return y if bias is None else self("Add", y, self.constant(bias))

    def form(self, name, inputs, outputs, restore=None):
        types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
        graph = helper.make_graph(
            self.nodes, "row",
            [helper.make_tensor_value_info(key, types[value.dtype], value.shape) for key, value in inputs.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
            list(self.constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset),
                                                        helper.make_opsetid(CONTRIBUTED, 1)])
        model.ir_version = 8 if self.opset < 20 else 10
        return Form(name, model, inputs, outputs, restore)


def gelu_by_erf(graph, x):
    inner = graph("Add", graph("Erf", graph("Div", x, graph.constant(2**0.5))), graph.constant(1))
    return graph("Mul", graph("Mul", x, inner), graph.constant(0.5))


def product(row):
    weight, bias = row.weights["linear.weight"], row.weights.get("linear.bias")
    if bias is None:
        graph = Graph()
        graph("MatMul", "x", graph.constant(weight.T), to=["y"])
        yield graph.form("plain", row.inputs, row.outputs)
        return
    graph = Graph()
    graph("Identity", gelu_by_erf(graph, graph.linear("x", weight, bias)), to=["y"])
    yield graph.form("plain", row.inputs, row.outputs)
    graph = Graph()
    graph("BiasGelu", graph("MatMul", "x", graph.constant(weight.T)), graph.constant(bias), contributed=True, to=["y"])
    yield graph.form("fused", row.inputs, row.outputs)
    graph = Graph(opset=20)
    graph("Gelu", graph("Gemm", "x", graph.constant(weight.T), graph.constant(bias)), to=["y"])
    yield graph.form("gemm", row.inputs, row.outputs)


def attention(row):
    heads, length, width, causal = (row.sizes[key] for key in ("heads", "length", "width", "causal"))
    graph = Graph(opset=23)
    graph("Attention", "q", "k", "v", to=["y"], is_causal=int(causal))
    yield graph.form("attention", row.inputs, row.outputs)

    together = {name: value.transpose(0, 2, 1, 3).reshape(1, length, heads * width)
                for name, value in row.inputs.items()}
    shape = dict(y=(1, length, heads * width))

    def apart(results):
        return dict(y=results["y"].reshape(1, length, heads, width).transpose(0, 2, 1, 3))

    graph = Graph()
    graph("MultiHeadAttention", "q", "k", "v", to=["y"], contributed=True, num_heads=heads,
          unidirectional=int(causal))
    yield graph.form("multihead", together, shape, apart)
    if causal:
        graph = Graph()
        graph("GroupQueryAttention", "q", "k", "v", "", "", graph.constant([length - 1], np.int32),
              graph.constant(length, np.int32), to=["y", "keys", "values"], contributed=True, num_heads=heads,
              kv_num_heads=heads)
        cache = (1, heads, length, width)
        yield graph.form("grouped", together, dict(shape, keys=cache, values=cache), apart)
    if length > 1024:
        return  # all scores in memory at once: never the fastest there
    graph = Graph()
    scores = graph("MatMul", graph("Mul", "q", graph.constant(width**-0.5)), graph("Transpose", "k", perm=[0, 1, 3, 2]))
    if causal:
        scores = graph("Add", scores, graph.constant(np.triu(np.full((length, length), -1e9), 1)))
    graph("MatMul", graph("Softmax", scores, axis=-1), "v", to=["y"])
    yield graph.form("plain", row.inputs, row.outputs)


# Places of PyTorch's gates in ONNX's order.
GATE_ORDER = dict(lstm=(0, 3, 1, 2), gru=(1, 0, 2), rnn=(0,))


def recurrence(graph, cell, x, *directions, to, states=()):
    order, hidden = GATE_ORDER[cell], directions[0][1].shape[1]

    def gates(value):
        return np.concatenate([value[i * hidden:(i + 1) * hidden] for i in order])

    w_ih, w_hh, b_ih, b_hh = ([gates(part) for part in parts] for parts in zip(*directions))
    options = dict(gru=dict(linear_before_reset=1)).get(cell, {})
    if len(directions) == 2:
        options["direction"] = "bidirectional"
    return graph(cell.upper(), x, graph.constant(np.stack(w_ih)), graph.constant(np.stack(w_hh)),
                 graph.constant(np.concatenate([b_ih, b_hh], axis=1)), *(["", *states] if states else []),
                 to=to, hidden_size=hidden, **options)


def layer_weights(row, cell, suffix="_l0"):
    return [row.weights[f"{cell}.{part}{suffix}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def recurrent(row):
    graph, cell, directions = Graph(), row.sizes["cell"], row.sizes["directions"]
    assert directions == 1 or row.sizes["batch"] == 1, "the directions of a batch would have to be transposed"
    recurrence(graph, cell, "x", *(layer_weights(row, cell, "_l0" + suffix) for suffix in DIRECTIONS[:directions]),
               to=["y"])
    steps, batch, hidden = row.outputs["y"]
    yield graph.form("plain", row.inputs, dict(y=(steps, directions, batch, hidden // directions)))


def rnn_linear(row):
    graph = Graph()
    last = recurrence(graph, "rnn", graph("Transpose", "x", perm=[1, 0, 2]), layer_weights(row, "rnn"), to=["", "h"])
    graph("Gemm", graph("Squeeze", last, graph.integers(0)), graph.constant(row.weights["fc.weight"]),
          graph.constant(row.weights["fc.bias"]), to=["y"], transB=1)
    yield graph.form("plain", row.inputs, row.outputs)


def lstm_step(row):
    graph, width, weights = Graph(), row.sizes["width"], row.weights
    x = graph("Gather", graph.constant(weights["embedding.weight"]), "id")
    hidden = recurrence(graph, "lstm", x, layer_weights(row, "cell", ""), to=["", "hn", "cn"], states=("h", "c"))
    graph("Gemm", graph("Reshape", hidden, graph.integers(1, width)), graph.constant(weights["out.weight"].T),
          graph.constant(weights["out.bias"]), to=["logits"])
    state = (1, 1, width)
    yield graph.form("plain", dict(id=row.inputs["id"].reshape(1, 1), h=row.inputs["h"].reshape(state),
                                   c=row.inputs["c"].reshape(state)),
                     dict(row.outputs, hn=state, cn=state))


def multihead_plain(graph, x, projection, bias, length, width, heads):
    """The heads' contexts, side by side again, of self-attention."""
    parts = []
    for i, order in enumerate(([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3])):
        part = slice(i * width, (i + 1) * width)
        y = graph("Reshape", graph.linear(x, projection[part], bias[part]),
                  graph.integers(1, length, heads, width // heads))
        parts.append(graph("Transpose", y, perm=order))
    scores = graph("Mul", graph("MatMul", parts[0], parts[1]), graph.constant((width // heads)**-0.5))
    context = graph("MatMul", graph("Softmax", scores, axis=-1), parts[2])
    return graph("Reshape", graph("Transpose", context, perm=[0, 2, 1, 3]), graph.integers(1, length, width))


def multihead_fused(graph, x, projection, bias, heads):
    return graph("Attention", x, graph.constant(projection.T), graph.constant(bias), contributed=True,
                 num_heads=heads)


def layer_plain(graph, x, get, sizes):
    context = multihead_plain(graph, x, get("self_attn.in_proj_weight"), get("self_attn.in_proj_bias"),
                              sizes["length"], sizes["width"], sizes["heads"])

    def norm(name, a, b):
        return graph("LayerNormalization", graph("Add", a, b), graph.constant(get(name + ".weight")),
                     graph.constant(get(name + ".bias")), axis=-1, epsilon=1e-5)

    def linear(name, value):
        return graph.linear(value, get(name + ".weight"), get(name + ".bias"))

    y = norm("norm1", x, linear("self_attn.out_proj", context))
    return norm("norm2", y, linear("linear2", gelu_by_erf(graph, linear("linear1", y))))


def layer_fused(graph, x, get, sizes):
    def norm(name, product, skip, bias):
        return graph("SkipLayerNormalization", product, skip, graph.constant(get(name + ".weight")),
                     graph.constant(get(name + ".bias")), graph.constant(get(bias)), contributed=True, epsilon=1e-5)

    context = multihead_fused(graph, x, get("self_attn.in_proj_weight"), get("self_attn.in_proj_bias"), sizes["heads"])
    y = norm("norm1", graph.linear(context, get("self_attn.out_proj.weight")), x, "self_attn.out_proj.bias")
    inner = graph("BiasGelu", graph.linear(y, get("linear1.weight")), graph.constant(get("linear1.bias")),
                  contributed=True)
    return norm("norm2", graph.linear(inner, get("linear2.weight")), y, "linear2.bias")


def encoder(row):
    for name, layer in (("plain", layer_plain), ("fused", layer_fused)):
        graph, x = Graph(), "x"
        for i in range(row.sizes["layers"]):
            x = layer(graph, x, lambda part, i=i: row.weights[f"encoder.layers.{i}.{part}"], row.sizes)
        graph("Identity", x, to=["y"])
        yield graph.form(name, row.inputs, row.outputs)


def softmax(row):
    graph = Graph()
    graph("Softmax", "x", to=["y"], axis=-1)
    yield graph.form("plain", row.inputs, row.outputs)


def layer_norm(row):
    graph = Graph()
    graph("LayerNormalization", "x", graph.constant(row.weights["norm.weight"]),
          graph.constant(row.weights["norm.bias"]), to=["y"], axis=-1, epsilon=1e-5)
    yield graph.form("plain", row.inputs, row.outputs)


def gelu(row):
    graph = Graph(opset=20)
    graph("Gelu", "x", to=["y"], approximate="tanh")
    yield graph.form("plain", row.inputs, row.outputs)
    graph = Graph()
    graph("FastGelu", "x", to=["y"], contributed=True)
    yield graph.form("fast", row.inputs, row.outputs)


def additive(row):
    graph, w = Graph(), row.weights
    query = graph("Unsqueeze", graph.linear("query", w["W2.weight"], w["W2.bias"]), graph.integers(1))
    inner = graph("Tanh", graph("Add", graph.linear("values", w["W1.weight"], w["W1.bias"]), query))
    weights = graph("Softmax", graph.linear(inner, w["V.weight"], w["V.bias"]), to=["weights"], axis=1)
    context = graph("MatMul", graph("Transpose", weights, perm=[0, 2, 1]), "values")
    graph("Squeeze", context, graph.integers(1), to=["context"])
    yield graph.form("plain", row.inputs, dict(row.outputs, weights=(*row.outputs["weights"], 1)))


def classifier(row):
    w, width, heads = row.weights, row.sizes["width"], row.sizes["heads"]
    for form in ("plain", "fused"):
        graph = Graph()
        words = graph("Gather", graph.constant(w["embedding.weight"]), "ids")
        x = graph("Relu", graph.linear(graph("ReduceMean", words, axes=[1]), w["dense.weight"], w["dense.bias"]))
        projection, bias = w["mha.in_proj_weight"], w["mha.in_proj_bias"]
        context = (multihead_plain(graph, x, projection, bias, 1, width, heads) if form == "plain" else
                   multihead_fused(graph, x, projection, bias, heads))
        y = graph.linear(context, w["mha.out_proj.weight"], w["mha.out_proj.bias"])
        y = graph("Reshape", y, graph.integers(1, width))
        graph("Softmax", graph("Gemm", y, graph.constant(w["out.weight"].T), graph.constant(w["out.bias"])),
              to=["probs"], axis=-1)
        yield graph.form(form, row.inputs, row.outputs)


KINDS = (product, attention, recurrent, rnn_linear, lstm_step, encoder, softmax, layer_norm, gelu, additive, classifier)
FORMS = {function.__name__: function for function in KINDS}


def forms(row):
    return list(FORMS[row.kind](row))
