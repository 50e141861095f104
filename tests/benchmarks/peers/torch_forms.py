"""Every way to compute a row in PyTorch that may be the fastest."""

import torch
import torch.nn.functional as F
from torch import nn


def product(row, weights, inputs):
    x, weight, bias = inputs["x"], weights["linear.weight"], weights.get("linear.bias")
    if bias is not None:
        right = weight.t().contiguous()
        yield "linear", lambda: [F.gelu(F.linear(x, weight, bias))]
        yield "addmm", lambda: [F.gelu(torch.addmm(bias, x, right))]
        return
    right, y = weight.t().contiguous(), torch.empty(row.outputs["y"])
    yield "linear", lambda: [F.linear(x, weight)]
    yield "mm", lambda: [torch.mm(x, right, out=y)]


def loaded(module, weights, prefix):
    """The module with the weights under the prefix."""
    module.load_state_dict({name[len(prefix):]: value for name, value in weights.items() if name.startswith(prefix)})
    return module.eval()


def attention(row, weights, inputs):
    q, k, v = (inputs[name] for name in "qkv")
    length, causal = row.sizes["length"], row.sizes["causal"]
    if length > 1024:
        return  # all scores in memory at once: never the fastest there
    mask = torch.triu(torch.full((length, length), float("-inf")), 1) if causal else None

    def run():
        scores = torch.matmul(q * row.sizes["width"]**-0.5, k.transpose(-1, -2))
        if causal:
            scores += mask
        return [torch.matmul(torch.softmax(scores, -1), v)]

    yield "matmul", run


CELLS = dict(lstm=nn.LSTM, gru=nn.GRU, rnn=nn.RNN)


def recurrent(row, weights, inputs):
    cell = row.sizes["cell"]
    layer = loaded(CELLS[cell](row.sizes["width"], row.sizes["hidden"], bidirectional=row.sizes["directions"] == 2),
                   weights, cell + ".")
    yield cell, lambda: [layer(inputs["x"])[0]]


def rnn_linear(row, weights, inputs):
    layer = loaded(nn.RNN(1, row.sizes["hidden"], batch_first=True), weights, "rnn.")
    yield "rnn", lambda: [F.linear(layer(inputs["x"])[0][:, -1], weights["fc.weight"], weights["fc.bias"])]


def lstm_step(row, weights, inputs):
    width = row.sizes["width"]
    parts = {f"{name}_l0" if name.startswith(("weight", "bias")) else name: value
             for name, value in ((name[5:], value) for name, value in weights.items() if name.startswith("cell."))}
    layer, cell = loaded(nn.LSTM(width, width), parts, ""), loaded(nn.LSTMCell(width, width), weights, "cell.")
    table, out, bias = weights["embedding.weight"], weights["out.weight"], weights["out.bias"]
    state = (inputs["h"][None], inputs["c"][None])

    def by_layer():
        y, (h, c) = layer(F.embedding(inputs["id"][None], table), state)
        return [F.linear(y[0], out, bias), h[0], c[0]]

    def by_cell():
        h, c = cell(F.embedding(inputs["id"], table), (inputs["h"], inputs["c"]))
        return [F.linear(h, out, bias), h, c]

    yield "layer", by_layer
    yield "cell", by_cell


def encoder(row, weights, inputs):
    sizes = row.sizes
    layers = [
        loaded(nn.TransformerEncoderLayer(sizes["width"], sizes["heads"], sizes["hidden"], dropout=0.0,
                                          activation="gelu", batch_first=True), weights, f"encoder.layers.{i}.")
        for i in range(sizes["layers"])
    ]

    def run():
        y = inputs["x"]
        for layer in layers:
            y = layer(y)
        return [y]

    yield "layers", run


def softmax(row, weights, inputs):
    y = torch.empty(row.outputs["y"])
    yield "softmax", lambda: [torch._softmax(inputs["x"], -1, False, out=y)]


def layer_norm(row, weights, inputs):
    scale, shift = weights["norm.weight"], weights["norm.bias"]
    yield "layer_norm", lambda: [F.layer_norm(inputs["x"], scale.shape, scale, shift)]


def gelu(row, weights, inputs):
    y = torch.empty(row.outputs["y"])
    yield "gelu", lambda: [torch._C._nn.gelu(inputs["x"], approximate="tanh", out=y)]


def additive(row, weights, inputs):
    query, values = inputs["query"], inputs["values"]
    w = weights

    def run():
        inner = torch.tanh(F.linear(values, w["W1.weight"], w["W1.bias"]) +
                           F.linear(query, w["W2.weight"], w["W2.bias"])[:, None])
        given = torch.softmax(F.linear(inner, w["V.weight"], w["V.bias"]), 1)
        return [torch.bmm(given.transpose(1, 2), values)[:, 0], given[..., 0]]

    yield "plain", run


def classifier(row, weights, inputs):
    w = weights
    mha = loaded(nn.MultiheadAttention(row.sizes["width"], row.sizes["heads"], batch_first=True), weights, "mha.")

    def run():
        words = F.embedding(inputs["ids"], w["embedding.weight"]).mean(1, keepdim=True)
        x = F.relu(F.linear(words, w["dense.weight"], w["dense.bias"]))
        context = mha(x, x, x, need_weights=False)[0]
        return [torch.softmax(F.linear(context[:, 0], w["out.weight"], w["out.bias"]), -1)]

    yield "plain", run


KINDS = (product, attention, recurrent, rnn_linear, lstm_step, encoder, softmax, layer_norm, gelu, additive, classifier)
FORMS = {function.__name__: function for function in KINDS}


def forms(row):
    weights = {name: torch.from_numpy(value) for name, value in row.weights.items()}
    inputs = {name: torch.from_numpy(value) for name, value in row.inputs.items()}
    return dict(FORMS[row.kind](row, weights, inputs))
