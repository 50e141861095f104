"""Every way to write a row's model in ONNX that may be the fastest: plain
operators, fused ones, ONNX Runtime's contributed ones."""

import dataclasses

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

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


FORMS = dict(product=product)


def forms(row):
    return list(FORMS[row.kind](row))
