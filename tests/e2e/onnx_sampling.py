"""ONNX ops that read images between their elements, or put windows of them together. What is expected is computed here,
element by element."""

import itertools
import math
import unittest

import onnx_file as onnx
from onnx_file import FLOAT, INT64, node
from support import Test, mapsto


def numbers(count, seed):
    """Some that are no pattern, from -2 to 2."""
    return [((i + 1) * seed * 7919 % 1009) / 1009 * 4 - 2 for i in range(count)]


def shaped(flat, shape):
    if len(shape) < 2:
        return flat[:shape[0]] if shape else flat[0]
    each = math.prod(shape[1:])
    return [shaped(flat[i * each:(i + 1) * each], shape[1:]) for i in range(shape[0])]


def reflect(x, low, high):
    while low < high and not low <= x <= high:
        x = 2 * low - x if x < low else 2 * high - x
    return min(max(x, low), high)


def cubic(distance, a=-0.75):
    d = abs(distance)
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a


def read(image, place):
    """An element of nested lists; 0 where there is none."""
    for i in place:
        if not 0 <= i < len(image):
            return 0
        image = image[i]
    return image


def between(image, place, taps):
    """The weighted sum of the elements that `taps` has of each axis: (index, weight)."""
    return sum(math.prod(w for _, w in combination) * read(image, [i for i, _ in combination])
               for combination in itertools.product(*map(taps, place)))


def linear(x):
    left = math.floor(x)
    return [(left, left + 1 - x), (left + 1, x - left)]


def sample(image, sizes, grid, mode, padding, corners):
    """GridSample of one channel at one place of the grid."""
    axes = []
    for size, g in zip(sizes, reversed(grid)):
        low, high = (0, size - 1) if corners else (-0.5, size - 0.5)
        x = low + (g + 1) / 2 * (high - low)

        def inside(x):
            if padding == "border":
                return x if low <= x <= high else min(max(x, 0), size - 1)
            return reflect(x, low, high) if padding == "reflection" else x

        def element(i):
            return i if padding == "zeros" else int(min(max(inside(i), 0), size - 1))

        x = inside(round(x) if mode == "nearest" else x)
        left = math.floor(x)
        taps = {"nearest": [(int(x), 1)], "linear": linear(x),
                "cubic": [(left + k, cubic(left + k - x)) for k in range(-1, 3)]}[mode]
        axes.append([(element(i), w) for i, w in taps])
    return between(image, axes, lambda taps: taps)


class Sampling(Test):
    def check(self, nodes, inputs, outputs):
        """`inputs` and `outputs` by name: a shape and its elements."""
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model(
            nodes, [(name, FLOAT, shape) for name, (shape, _) in inputs.items()],
            [(name, FLOAT, shape) for name, (shape, _) in outputs.items()], self.constants, opset=22))
        options = []
        for name, (shape, elements) in inputs.items():
            options += ["--input", f"{name}={shaped(elements, shape)}"]
        for name, (shape, elements) in outputs.items():
            options += ["--expect", f"{name}={shaped(elements, shape)}"]
        for how in [], ["--interpret"]:
            self.succeed(mapsto("run", path, *options, "--atol", "1e-4", "--rtol", "1e-4", *how))

    def setUp(self):
        super().setUp()
        self.constants = []

    def grid_sample(self, sizes, to, modes):
        shape = [2, 2, *sizes]
        x, grid = numbers(math.prod(shape), 3), numbers(2 * math.prod(to) * len(sizes), 5)
        images, places = shaped(x, shape), shaped(grid, [2, math.prod(to), len(sizes)])
        nodes, outputs = [], {}
        for mode, padding, corners in itertools.product(modes, ("zeros", "border", "reflection"), (0, 1)):
            name = f"{mode}_{padding}_{corners}"
            nodes.append(node("GridSample", "x grid", name, mode=mode, padding_mode=padding, align_corners=corners))
            outputs[name] = ([2, 2, *to], [sample(images[n][c], sizes, place, mode, padding, corners)
                                           for n in range(2) for c in range(2) for place in places[n]])
        self.check(nodes, {"x": (shape, x), "grid": ([2, *to, len(sizes)], grid)}, outputs)

    def test_grid_of_a_plane(self):
        self.grid_sample([3, 4], [2, 5], ["nearest", "linear", "cubic"])

    def test_grid_of_space(self):
        self.grid_sample([3, 4, 2], [1, 3, 2], ["linear", "cubic"])

    def test_affine_grid(self):
        theta = numbers(2 * 3 * 4, 7)
        sizes = [2, 3, 4]
        self.constants = [("size", INT64, [5], [2, 1, *sizes])]
        outputs = {}
        for corners in 0, 1:
            expected = []
            for t in shaped(theta, [2, 3, 4]):
                for place in itertools.product(*map(range, sizes)):
                    at = [2 * i / (s - 1) - 1 if corners else (2 * i + 1) / s - 1 for i, s in zip(place, sizes)]
                    expected += [sum(a * b for a, b in zip(row, [*reversed(at), 1])) for row in t]
            outputs[f"g{corners}"] = ([2, *sizes, 3], expected)
        self.check([node("AffineGrid", "theta size", f"g{c}", align_corners=c) for c in (0, 1)],
                   {"theta": ([2, 3, 4], theta)}, outputs)

    def test_roi_align(self):
        shape, bins, samples, scale = [2, 2, 5, 6], [2, 3], 2, 0.5
        x = numbers(math.prod(shape), 11)
        images = shaped(x, shape)
        rois, of = [[0.0, 1.0, 8.0, 9.0], [3.0, -4.0, 5.0, 14.0], [2.0, 2.0, 2.5, 2.5]], [1, 0, 1]
        self.constants = [("of", INT64, [3], of)]
        nodes, outputs = [], {}
        for mode, half in itertools.product(("avg", "max"), (True, False)):
            expected = []
            for roi, image in zip(rois, of):
                begin, end = ([roi[i] * scale - 0.5 * half for i in at] for at in ((1, 0), (3, 2)))
                length = [e - b if half else max(e - b, 1) for b, e in zip(begin, end)]
                for channel in images[image]:
                    for b in itertools.product(*map(range, bins)):
                        terms = []
                        for s in itertools.product(range(samples), repeat=2):
                            place = [begin[i] + (b[i] + (s[i] + 0.5) / samples) * length[i] / bins[i] for i in (0, 1)]
                            gone = any(not -1 <= p <= size for p, size in zip(place, shape[2:]))
                            place = [min(max(p, 0), size - 1) for p, size in zip(place, shape[2:])]
                            terms += [0 if gone else v * w * read(channel, [i, j])
                                      for i, v in linear(place[0]) for j, w in linear(place[1])]
                        expected.append(max(terms) if mode == "max" else sum(terms) / samples ** 2)
            name = f"{mode}_{int(half)}"
            nodes.append(node("RoiAlign", "x rois of", name, mode=mode, output_height=bins[0], output_width=bins[1],
                              sampling_ratio=samples, spatial_scale=scale,
                              coordinate_transformation_mode="half_pixel" if half else "output_half_pixel"))
            outputs[name] = ([3, 2, *bins], expected)
        self.check(nodes, {"x": (shape, x), "rois": ([3, 4], sum(rois, []))}, outputs)

    def test_columns_to_image(self):
        image, block, strides, dilations, pads = [5, 6], [2, 3], [2, 1], [1, 2], [1, 0, 0, 1]
        counts = [(image[i] + pads[i] + pads[i + 2] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
                  for i in (0, 1)]
        shape = [2, 2 * math.prod(block), math.prod(counts)]
        x = numbers(math.prod(shape), 13)
        columns, expected = shaped(x, shape), []
        for item in columns:
            for channel in range(2):
                sums = [[0.0] * image[1] for _ in range(image[0])]
                for (k, at), (w, window) in itertools.product(
                        enumerate(itertools.product(*map(range, block))),
                        enumerate(itertools.product(*map(range, counts)))):
                    row, column = (window[i] * strides[i] + at[i] * dilations[i] - pads[i] for i in (0, 1))
                    if 0 <= row < image[0] and 0 <= column < image[1]:
                        sums[row][column] += item[channel * math.prod(block) + k][w]
                expected += sum(sums, [])
        self.constants = [("image", INT64, [2], image), ("block", INT64, [2], block)]
        self.check([node("Col2Im", "x image block", "y", strides=strides, dilations=dilations, pads=pads)],
                   {"x": (shape, x)}, {"y": ([2, 2, *image], expected)})

    def test_bent_convolution(self):
        """Two groups of channels, and two others that share their offsets."""
        shape, kernel, strides, pads, dilations = [2, 4, 5, 6], [2, 3], [2, 1], [1, 0, 0, 1], [1, 2]
        to = [(shape[i + 2] + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
              for i in (0, 1)]
        area = math.prod(kernel)
        shapes = {"x": shape, "w": [4, 2, *kernel], "o": [2, 2 * area * 2, *to], "b": [4], "m": [2, 2 * area, *to]}
        flat = {name: numbers(math.prod(s), 17 + i) for i, (name, s) in enumerate(shapes.items())}
        x, w, o, b, m = (shaped(flat[name], s) for name, s in shapes.items())
        expected = []
        for n, out, row, column in itertools.product(range(2), range(4), range(to[0]), range(to[1])):
            total = b[out]
            for c, (k, at) in itertools.product(range(2), enumerate(itertools.product(*map(range, kernel)))):
                channel = out // 2 * 2 + c
                bend = channel // 2 * area + k
                place = [(row, column)[i] * strides[i] + at[i] * dilations[i] - pads[i] +
                         o[n][bend * 2 + i][row][column] for i in (0, 1)]
                total += w[out][c][at[0]][at[1]] * m[n][bend][row][column] * between(x[n][channel], place, linear)
            expected.append(total)
        self.check([node("DeformConv", "x w o b m", "y", group=2, offset_group=2, strides=strides, pads=pads,
                         dilations=dilations)],
                   {name: (shapes[name], flat[name]) for name in shapes}, {"y": ([2, 4, *to], expected)})


if __name__ == "__main__":
    unittest.main()
