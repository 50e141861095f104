#!/usr/bin/env python3
"""usage: ort.py LIBRARY MODEL FOLDER: ONNX Runtime on a case of ONNX's test data.

With the exit codes of `mapsto run --test-data`: 0 all outputs agree, 1 they do not
or the run failed, 2 not supported. The library is libonnxruntime.so, whose table of
functions has its entries at fixed places. Tensors of strings and sequences are not
tried. Outputs agree by ONNX's own tolerance: rtol 1e-3, atol 1e-7.
"""

import ctypes
import math
import os
import pathlib
import struct
import sys

# Entries of OrtApi (onnxruntime_c_api.h) and their places.
ENTRIES = {
    "GetErrorMessage": 2, "CreateEnv": 3, "CreateSession": 7, "Run": 9, "CreateSessionOptions": 10,
    "SetIntraOpNumThreads": 24, "SessionGetInputCount": 30, "SessionGetOutputCount": 31, "SessionGetInputName": 36,
    "SessionGetOutputName": 37, "CreateTensorWithDataAsOrtValue": 49, "IsTensor": 50, "GetTensorMutableData": 51,
    "GetTensorElementType": 60, "GetDimensionsCount": 61, "GetDimensions": 62, "GetTensorTypeAndShape": 65,
    "CreateCpuMemoryInfo": 69, "GetAllocatorWithDefaultOptions": 78,
}
# struct's letter of an element, by ONNX's number of its type; bfloat16 is read apart.
LETTERS = {1: "f", 2: "B", 3: "b", 4: "H", 5: "h", 6: "i", 7: "q", 9: "?", 10: "e", 11: "d", 12: "I", 13: "Q", 16: "H"}
FLOATS = (1, 10, 11, 16)


class Unsupported(Exception):
    pass


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of a protobuf message: integers, or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size, at = (varint(data, at) if kind == 2 else (8 if kind == 1 else 4, at))
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def integers(value):
    if isinstance(value, int):
        return [value]
    out, at = [], 0
    while at < len(value):
        number, at = varint(value, at)
        out.append(number)
    return out


def signed(value, bits=64):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Tensor:
    """A TensorProto: type, shape, raw bytes."""

    def __init__(self, path):
        self.shape, self.type, raw, packed = [], 0, None, b""
        numbers = []
        for number, value in fields(path.read_bytes()):
            if number == 1:
                self.shape += integers(value)
            elif number == 2 and isinstance(value, int):
                self.type = value
            elif number == 9:
                raw = value
            elif number in (4, 10):
                packed += value
            elif number in (5, 7, 11):
                numbers += integers(value)
        if self.type not in LETTERS:
            raise Unsupported(f"`{path.name}`: elements of type {self.type}")
        letter = {"e": "H", "?": "B"}.get(LETTERS[self.type], LETTERS[self.type])
        size = struct.calcsize(letter)
        if raw is None and not packed and letter not in "fd":
            raw = b"".join(((n & ((1 << 8 * size) - 1)).to_bytes(size, "little")) for n in numbers)
        self.raw = bytes(raw if raw is not None else packed)
        if len(self.raw) != size * math.prod(self.shape):
            raise Unsupported(f"`{path.name}` is no tensor")


def elements(kind, raw):
    if kind == 16:
        return struct.unpack(f"<{len(raw) // 2}f", b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2)))
    letter = LETTERS[kind]
    return struct.unpack(f"<{len(raw) // struct.calcsize(letter)}{letter}", raw)


def agrees(got, want):
    if isinstance(got, float) or isinstance(want, float):
        if math.isnan(got) or math.isnan(want):
            return math.isnan(got) and math.isnan(want)
        if math.isinf(got) or math.isinf(want):
            return got == want
        return abs(got - want) <= 1e-7 + 1e-3 * abs(want)
    return got == want


class Runtime:
    def __init__(self, library):
        class Base(ctypes.Structure):
            _fields_ = [("getApi", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)), ("version", ctypes.c_void_p)]
        loaded = ctypes.CDLL(library)
        loaded.OrtGetApiBase.restype = ctypes.POINTER(Base)
        self.table = ctypes.cast(loaded.OrtGetApiBase().contents.getApi(1), ctypes.POINTER(ctypes.c_void_p))
        self.environment = self.made("CreateEnv", ctypes.c_int(4), b"conformance")
        self.memory = self.made("CreateCpuMemoryInfo", ctypes.c_int(0), ctypes.c_int(0))
        self.allocator = self.made("GetAllocatorWithDefaultOptions")
        self.options = self.made("CreateSessionOptions")
        self.call("SetIntraOpNumThreads", self.options, ctypes.c_int(1))

    def call(self, name, *arguments):
        function = ctypes.CFUNCTYPE(ctypes.c_void_p)(self.table[ENTRIES[name]])
        function.argtypes = None
        status = function(*arguments)
        if status:
            message = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(self.table[ENTRIES["GetErrorMessage"]])
            raise RuntimeError(message(status).decode(errors="replace").replace("\n", " "))

    def made(self, name, *arguments, kind=ctypes.c_void_p):
        value = kind()
        self.call(name, *arguments, ctypes.byref(value))
        return value

    def names(self, session, which):
        count = self.made(f"SessionGet{which}Count", session, kind=ctypes.c_size_t).value
        return [self.made(f"SessionGet{which}Name", session, ctypes.c_size_t(i), self.allocator, kind=ctypes.c_char_p).value
                for i in range(count)]

    def run(self, session, tensors):
        inputs, outputs = self.names(session, "Input"), self.names(session, "Output")
        values, kept = [], []
        for tensor in tensors:
            data = ctypes.create_string_buffer(tensor.raw, max(len(tensor.raw), 1))
            shape = (ctypes.c_int64 * len(tensor.shape))(*tensor.shape)
            kept += [data, shape]
            values.append(self.made("CreateTensorWithDataAsOrtValue", self.memory, data, ctypes.c_size_t(len(tensor.raw)),
                                    shape, ctypes.c_size_t(len(tensor.shape)), ctypes.c_int(tensor.type)))
        results = (ctypes.c_void_p * len(outputs))()
        self.call("Run", session, None, (ctypes.c_char_p * len(values))(*inputs[:len(values)]),
                  (ctypes.c_void_p * len(values))(*[v.value for v in values]), ctypes.c_size_t(len(values)),
                  (ctypes.c_char_p * len(outputs))(*outputs), ctypes.c_size_t(len(outputs)), results)
        return [self.read(ctypes.c_void_p(value)) for value in results]

    def read(self, value):
        info = self.made("GetTensorTypeAndShape", value)
        kind = self.made("GetTensorElementType", info, kind=ctypes.c_int).value
        rank = self.made("GetDimensionsCount", info, kind=ctypes.c_size_t).value
        shape = (ctypes.c_int64 * rank)()
        self.call("GetDimensions", info, shape, ctypes.c_size_t(rank))
        if kind not in LETTERS:
            raise Unsupported(f"an output's elements of type {kind}")
        size = math.prod(shape) * struct.calcsize(LETTERS[kind])
        data = self.made("GetTensorMutableData", value)
        return kind, list(shape), ctypes.string_at(data, size) if size else b""


def numbered(folder, kind):
    paths = sorted(folder.glob(f"{kind}_*.pb"), key=lambda p: int(p.stem.split("_")[1]))
    return [Tensor(path) for path in paths]


def main(library, model, folder):
    folder = pathlib.Path(folder)
    sets = sorted(folder.glob("test_data_set_*")) or [folder]
    data = [(numbered(at, "input"), numbered(at, "output")) for at in sets]
    os.environ["ALLOW_RELEASED_ONNX_OPSET_ONLY"] = "0"  # else it refuses the newest opset, whatever it can do
    runtime = Runtime(library)
    session = runtime.made("CreateSession", runtime.environment, model.encode(), runtime.options)
    for inputs, outputs in data:
        try:
            results = runtime.run(session, inputs)
        except RuntimeError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        for i, ((kind, shape, raw), want) in enumerate(zip(results, outputs)):
            kind = want.type if {kind, want.type} == {4, 16} else kind  # bfloat16 data are stored as uint16
            if kind != want.type or shape != want.shape:
                print(f"error: output {i}: type or shape differs", file=sys.stderr)
                return 1
            if not all(agrees(a, b) for a, b in zip(elements(kind, raw), elements(kind, want.raw))):
                print(f"error: output {i}: elements differ", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except (Unsupported, RuntimeError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)
