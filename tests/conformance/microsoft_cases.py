"""Models of one op of com.microsoft each, in the modes that optimizers leave them in: what microsoft.py compares.

A case is an op, its inputs and attributes and the types of its outputs. Inputs are the same every time: they are made
from the case's name."""

import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
import onnx_file as onnx
from onnx_file import FLOAT, INT8, INT16, INT32, INT64, UINT16, UINT8

RANGES = {FLOAT: (-1, 1), UINT8: (0, 255), INT8: (-128, 127), UINT16: (0, 65535), INT16: (-32768, 32767)}


def f(*shape):
    return FLOAT, shape


def positive(*shape):
    return FLOAT, shape, (0.01, 0.1)


def u8(*shape):
    return UINT8, shape


def i8(*shape):
    return INT8, shape


def whole(shape, least, most, kind=INT32):
    return kind, shape, (least, most)


def exactly(shape, elements, kind=INT32):
    return kind, shape, elements


def i32(*elements):
    return exactly((len(elements),), list(elements))


# By name: op, inputs (None: left out), attributes, outputs (None: not asked for).
CASES = {}


def case(name, op, inputs, outputs=(FLOAT,), domain="com.microsoft", **attributes):
    CASES[name] = (op, inputs, attributes, outputs, domain)


x, skip, row = f(2, 3, 8), f(2, 3, 8), f(8)
case("bias_gelu", "BiasGelu", [x, row])
case("gelu", "Gelu", [x])
case("fast_gelu", "FastGelu", [x])
case("fast_gelu_bias", "FastGelu", [x, row])
case("quick_gelu", "QuickGelu", [x])
case("quick_gelu_alpha", "QuickGelu", [x], alpha=0.75)

case("fused_matmul", "FusedMatMul", [f(3, 4), f(4, 5)], alpha=0.5)
case("fused_matmul_trans_a", "FusedMatMul", [f(2, 4, 3), f(2, 4, 5)], transA=1)
case("fused_matmul_trans_b", "FusedMatMul", [f(2, 3, 4), f(2, 5, 4)], transB=1, alpha=2.0)
case("fused_matmul_both", "FusedMatMul", [f(4, 3), f(5, 4)], transA=1, transB=1)
case("fused_matmul_broadcast", "FusedMatMul", [f(2, 1, 3, 4), f(3, 4, 5)])
case("fused_matmul_batch_a", "FusedMatMul", [f(3, 2, 4), f(2, 4, 5)], transBatchA=1)
case("fused_matmul_batch_b", "FusedMatMul", [f(2, 3, 4), f(5, 2, 4)], transBatchB=1, transB=1)

case("skip_norm", "SkipLayerNormalization", [x, skip, row, row, row], (FLOAT, None, None, FLOAT), epsilon=1e-5)
case("skip_norm_plain", "SkipLayerNormalization", [x, skip, row])
case("skip_norm_broadcast", "SkipLayerNormalization", [x, f(3, 8), row, row])
case("skip_norm_flat", "SkipLayerNormalization", [f(6, 8), f(6, 8), row, row])
case("skip_rms_norm", "SkipSimplifiedLayerNormalization", [x, skip, row, row], (FLOAT, None, None, FLOAT), epsilon=1e-5)
case("skip_rms_norm_plain", "SkipSimplifiedLayerNormalization", [x, skip, row])
case("rms_norm", "SimplifiedLayerNormalization", [x, row], domain="", epsilon=1e-6)
case("rms_norm_axis", "SimplifiedLayerNormalization", [x, f(3, 8)], domain="", axis=1)

ids, segments, mask = whole((2, 5), 0, 10), whole((2, 5), 0, 1), whole((2, 5), 0, 1)
tables = [f(11, 8), f(6, 8)]
case("embed", "EmbedLayerNormalization", [ids, segments, *tables, f(2, 8), row, row, mask], (FLOAT, INT32))
case("embed_plain", "EmbedLayerNormalization", [ids, None, *tables, None, row, row], (FLOAT, INT32))
case("embed_positions", "EmbedLayerNormalization",
     [ids, segments, *tables, f(2, 8), row, row, None, whole((2, 5), 0, 5)], (FLOAT, INT32, FLOAT))

case("quantize_u8", "QuantizeLinear", [f(3, 4), positive(), u8()], (UINT8,))
case("quantize_i8_axis", "QuantizeLinear", [f(3, 4), positive(4), i8(4)], (INT8,), axis=1)
case("quantize_u16", "QuantizeLinear", [f(3, 4), exactly((), [0.0001], FLOAT), exactly((), [32000], UINT16)], (UINT16,))
case("quantize_i16", "QuantizeLinear", [f(3, 4), exactly((), [0.0001], FLOAT), exactly((), [0], INT16)], (INT16,))
case("dequantize_u8", "DequantizeLinear", [u8(3, 4), positive(), u8()])
case("dequantize_i8_axis", "DequantizeLinear", [i8(3, 4), positive(3), i8(3)], axis=0)
case("dequantize_u16", "DequantizeLinear", [(UINT16, (3, 4)), positive(), exactly((), [32000], UINT16)])
case("dequantize_i16", "DequantizeLinear", [(INT16, (3, 4)), positive(), exactly((), [7], INT16)])
case("dequantize_i32", "DequantizeLinear", [whole((3, 4), -9999, 9999), positive(), None])
case("integer_matmul", "MatMulIntegerToFloat", [u8(3, 8), i8(8, 5), positive(1), positive(1)])
case("integer_matmul_zero_points", "MatMulIntegerToFloat",
     [u8(2, 3, 8), u8(8, 5), positive(1), positive(5), u8(1), u8(5), f(5)])
case("dynamic_matmul", "DynamicQuantizeMatMul", [f(3, 8), i8(8, 5), positive(1)])
case("dynamic_matmul_bias", "DynamicQuantizeMatMul", [f(2, 3, 8), u8(8, 5), positive(5), u8(5), f(5)])

x, weights, bias = f(2, 4, 6), f(6, 24), f(24)  # two heads of 4
case("attention", "Attention", [x, weights, bias], num_heads=2)
case("attention_causal", "Attention", [x, weights, bias], num_heads=2, unidirectional=1)
case("attention_scale", "Attention", [x, weights, bias], num_heads=2, scale=0.25)
case("attention_lengths", "Attention", [x, weights, bias, i32(3, 4)], num_heads=2)
case("attention_mask", "Attention", [x, weights, bias, exactly((2, 4), [1, 1, 1, 0, 1, 0, 1, 1])], num_heads=2)
case("attention_mask_pairs", "Attention",
     [x, weights, bias, exactly((2, 4, 4), [1, 0, 1, 1] * 4 + [1, 1, 0, 1] * 4)], num_heads=2)
case("attention_bias", "Attention", [x, weights, bias, None, None, f(2, 2, 4, 4)], num_heads=2)
case("attention_bias_broadcast", "Attention", [x, weights, bias, None, None, f(1, 2, 4, 4)], num_heads=2)
case("attention_past", "Attention", [x, weights, bias, None, f(2, 2, 2, 3, 4)], (FLOAT, FLOAT), num_heads=2,
     unidirectional=1)
case("attention_sizes", "Attention", [x, f(6, 8 + 8 + 12), f(28)], num_heads=2, qkv_hidden_sizes=[8, 8, 12])

q, k, v = f(2, 3, 8), f(2, 5, 8), f(2, 5, 12)
case("heads", "MultiHeadAttention", [q, k, v], num_heads=2)
case("heads_bias", "MultiHeadAttention", [q, k, v, f(28)], num_heads=2)
case("heads_scale", "MultiHeadAttention", [q, k, v], num_heads=2, scale=0.3)
case("heads_causal", "MultiHeadAttention", [f(2, 5, 8), k, v], num_heads=2, unidirectional=1)
case("heads_lengths", "MultiHeadAttention", [q, k, v, None, i32(5, 2)], num_heads=2)
case("heads_mask", "MultiHeadAttention", [q, k, v, None, exactly((2, 5), [1, 1, 1, 1, 0, 1, 1, 0, 0, 1])], num_heads=2)
case("heads_pair_bias", "MultiHeadAttention", [q, k, v, None, None, f(1, 2, 3, 5)], num_heads=2)
case("heads_cross", "MultiHeadAttention", [q, f(2, 2, 5, 4), f(2, 2, 5, 4)], num_heads=2)
past = f(2, 2, 3, 4)
case("heads_past", "MultiHeadAttention", [q, f(2, 3, 8), f(2, 3, 8), None, None, None, past, past],
     (FLOAT, FLOAT, FLOAT), num_heads=2)

# Four heads of queries for two of keys and values, of 16 (of fewer ONNX Runtime turns none).
q, k, table = f(2, 3, 64), f(2, 3, 32), f(16, 8)
last, total = i32(2, 2), exactly((1,), [3])
grouped = dict(num_heads=4, kv_num_heads=2)
presents = (FLOAT, FLOAT, FLOAT)
case("grouped", "GroupQueryAttention", [q, k, k, None, None, last, total], presents, **grouped)
case("grouped_packed", "GroupQueryAttention", [f(2, 3, 128), None, None, None, None, last, total], presents, **grouped)
case("grouped_softcap", "GroupQueryAttention", [q, k, k, None, None, last, total], presents, **grouped, softcap=0.5)
case("grouped_window", "GroupQueryAttention", [q, k, k, None, None, last, total], presents, **grouped,
     local_window_size=2)
case("grouped_scale", "GroupQueryAttention", [q, k, k, None, None, last, total], presents, **grouped, scale=0.2)
case("grouped_rotary", "GroupQueryAttention", [q, k, k, None, None, last, total, table, table], presents, **grouped,
     do_rotary=1)
case("grouped_rotary_interleaved", "GroupQueryAttention", [q, k, k, None, None, last, total, table, table], presents,
     **grouped, do_rotary=1, rotary_interleaved=1)
past = f(2, 2, 4, 16)
case("grouped_step", "GroupQueryAttention",
     [f(2, 1, 64), f(2, 1, 32), f(2, 1, 32), past, past, i32(4, 4), exactly((1,), [5]), table, table], presents,
     **grouped, do_rotary=1)

position, table = exactly((1,), [2], INT64), f(16, 4)
places = exactly((2, 3), [0, 1, 2, 5, 4, 3], INT64)
case("rotary", "RotaryEmbedding", [f(2, 2, 3, 8), places, table, table])
case("rotary_from", "RotaryEmbedding", [f(2, 2, 3, 8), position, table, table])
case("rotary_interleaved", "RotaryEmbedding", [f(2, 2, 3, 8), places, table, table], interleaved=1)
case("rotary_flat", "RotaryEmbedding", [f(2, 3, 16), places, table, table])
case("rotary_part", "RotaryEmbedding", [f(2, 3, 24), places, table, table], num_heads=2, rotary_embedding_dim=8)


def elements(rng, kind, shape, values=None):
    count = 1
    for size in shape:
        count *= size
    if isinstance(values, list):
        return values
    least, most = values or RANGES[kind]
    if kind == FLOAT:
        return [round(rng.uniform(least, most), 3) for _ in range(count)]
    return [rng.randint(least, most) for _ in range(count)]


def build(name):
    """The model of a case, and its inputs as (type, shape, elements)."""
    op, inputs, attributes, outputs, domain = CASES[name]
    rng = random.Random(name)
    tensors = [i and (i[0], list(i[1]), elements(rng, *i)) for i in inputs]
    there = [(f"x{i}", *t) for i, t in enumerate(tensors) if t]
    named = " ".join(f"x{i}" if t else "-" for i, t in enumerate(tensors))
    results = [(f"y{i}", kind) for i, kind in enumerate(outputs) if kind]
    node = onnx.node(op, named, " ".join(f"y{i}" if kind else "-" for i, kind in enumerate(outputs)), domain,
                     **attributes)
    # Outputs are declared without a shape: that is the op's.
    graph = onnx.graph([node], [t[:3] for t in there], [], []) + b"".join(
        onnx.field(12, onnx.field(1, y) + onnx.field(2, onnx.field(1, onnx.field(1, kind)))) for y, kind in results)
    sets = onnx.operator_sets(17)
    return onnx.field(1, 8) + onnx.field(7, graph) + onnx.field(8, list(sets)), [t[1:] for t in there]
