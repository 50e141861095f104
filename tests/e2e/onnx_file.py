"""ONNX files without the onnx package: a model of a few nodes, in protobuf's
wire format (https://protobuf.dev/programming-guides/encoding)."""

import struct

FLOAT, UINT8, INT8, UINT16, INT16, INT32, INT64 = range(1, 8)
BOOL, FLOAT16, DOUBLE, UINT32, UINT64, BFLOAT16, UINT4, INT4 = 9, 10, 11, 12, 13, 16, 21, 22
FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT4E2M1, FLOAT8E8M0 = 17, 18, 19, 20, 23, 24
CODES = {FLOAT: "f", UINT8: "B", INT8: "b", UINT16: "H", INT16: "h", INT32: "i", INT64: "q", BOOL: "?", DOUBLE: "d",
         UINT32: "I", UINT64: "Q"}


def varint(number):
    number &= (1 << 64) - 1
    text = b""
    while number > 127:
        text += bytes([number & 127 | 128])
        number >>= 7
    return text + bytes([number])


def field(number, value):
    """A field of a message: bytes or text, a whole number, a float, or a list of one of them."""
    if isinstance(value, list):
        return b"".join(field(number, v) for v in value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def packed(elements):
    """Numbers of 4 bits, two a byte."""
    nibbles = [e & 15 for e in elements] + [0]
    return bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2]))


def tensor(name, dtype, shape, elements):
    raw = packed(elements) if dtype in (UINT4, INT4) else struct.pack(f"<{len(elements)}{CODES[dtype]}", *elements)
    return field(1, list(shape)) + field(2, dtype) + field(8, name) + field(9, raw)


def typed(dtype, shape):
    """A TypeProto; `dtype` may be ("sequence", of what) or ("optional", of what)."""
    if isinstance(dtype, tuple):
        return field({"sequence": 4, "optional": 9}[dtype[0]], field(1, typed(dtype[1], shape)))
    dims = field(1, [field(1, d) if isinstance(d, int) else field(2, d) for d in shape])
    return field(1, field(1, dtype) + field(2, dims))


def described(name, dtype, shape):
    return field(1, name) + field(2, typed(dtype, shape))


class Graph(bytes):
    """A graph, as an attribute takes it."""


class Reference(str):
    """The attribute of the function around that an attribute has its value from."""


def attribute(name, value):
    if isinstance(value, Reference):
        return field(1, name) + field(20, 1) + field(21, str(value))
    first = value[0] if isinstance(value, list) else value
    kind, number = {float: (1, 2), int: (2, 3), str: (3, 4), bytes: (4, 5), Graph: (5, 6)}[type(first)]
    if isinstance(value, list):
        kind, number = kind + 5, {2: 7, 3: 8, 4: 9}[number]
    return field(1, name) + field(number, value) + field(20, kind)


def node(op, inputs, outputs, domain="", overload="", **attributes):
    """`inputs` and `outputs` are names between blanks; `-` is one left out."""
    def names(text):
        return ["" if name == "-" else name for name in text.split(" ") if name]
    return (field(1, names(inputs)) + field(2, names(outputs)) + field(4, op) + field(7, domain) +
            field(5, [attribute(name, value) for name, value in attributes.items()]) +
            (field(8, overload) if overload else b""))


def graph(nodes, inputs, outputs, initializers=()):
    """inputs and outputs: (name, type, shape); initializers: also the elements."""
    return Graph(field(1, nodes) + field(2, "graph") + field(5, [tensor(*t) for t in initializers]) +
                 field(11, [described(*i) for i in inputs]) + field(12, [described(*o) for o in outputs]))


def operator_sets(opset):
    return field(1, "") + field(2, opset), field(1, "com.microsoft") + field(2, 1), field(1, "own") + field(2, 1)


def function(name, inputs, outputs, nodes, attributes=(), defaults=None, overload="", opset=21):
    """A function of the domain `own`."""
    return (field(1, name) + field(4, inputs.split(" ")) + field(5, outputs.split(" ")) +
            field(6, list(attributes)) + field(7, nodes) + field(9, list(operator_sets(opset))) + field(10, "own") +
            field(11, [attribute(n, v) for n, v in (defaults or {}).items()]) + field(13, overload))


def model(nodes, inputs, outputs, initializers=(), opset=21, functions=()):
    return (field(1, 10) + field(7, graph(nodes, inputs, outputs, initializers)) +
            field(8, list(operator_sets(opset))) + field(25, list(functions)))
