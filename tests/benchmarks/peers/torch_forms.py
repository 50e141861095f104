"""Every way to compute a row in PyTorch that may be the fastest."""

import torch
import torch.nn.functional as F


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


FORMS = dict(product=product)


def forms(row):
    weights = {name: torch.from_numpy(value) for name, value in row.weights.items()}
    inputs = {name: torch.from_numpy(value) for name, value in row.inputs.items()}
    return dict(FORMS[row.kind](row, weights, inputs))
