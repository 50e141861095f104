"""If, Loop, Scan, sequences and functions of ONNX models. What is expected is computed here."""

import unittest

import onnx_file as onnx
from onnx_file import BOOL, FLOAT, INT64, Reference, graph, node
from support import Test, mapsto

STEP = [("i", INT64, []), ("runs", BOOL, [])]


class Control(Test):
    def write(self, *arguments, **options):
        path = self.folder / "model.onnx"
        path.write_bytes(onnx.model(*arguments, **options))
        return path

    def check(self, path, inputs, expected, *options):
        """The compiled model's and the interpreter's outputs are `expected`."""
        options = [*options, *(f"--input={name}={value}" for name, value in inputs.items())]
        options += [f"--expect={name}={value}" for name, value in expected.items()]
        for how in [], ["--interpret"]:
            self.succeed(mapsto("run", path, *options, *how))

    def loop(self, body, *, trips="-", runs="-"):
        return node("Loop", f"{trips} {runs} x", "y", body=body)

    def test_while(self):
        """No trip count: the condition alone ends it."""
        body = graph([node("Add", "v v", "w"), node("Less", "w most", "again")],
                     [*STEP, ("v", FLOAT, [])], [("again", BOOL, []), ("w", FLOAT, [])],
                     [("most", FLOAT, [], [100.0])])
        path = self.write([self.loop(body)], [("x", FLOAT, [])], [("y", FLOAT, [])])
        self.check(path, {"x": 3}, {"y": 192})

    def counted(self):
        body = graph([node("Identity", "runs", "again"), node("Cast", "i", "number", to=FLOAT),
                      node("Add", "v number", "w")],
                     [*STEP, ("v", FLOAT, [2])], [("again", BOOL, []), ("w", FLOAT, [2])])
        return self.write([self.loop(body, trips="n")], [("n", INT64, []), ("x", FLOAT, [2])], [("y", FLOAT, [2])])

    def test_trip_count_of_the_run(self):
        path = self.counted()
        for trips, expected in (4, [7, 8]), (1, [1, 2]), (0, [1, 2]), (-3, [1, 2]):
            self.check(path, {"n": trips, "x": [1, 2]}, {"y": expected})

    def test_trip_count_that_is_set(self):
        self.check(self.counted(), {"x": [1, 2]}, {"y": [7, 8]}, "--set", "n=4")

    def test_stacked_outputs(self):
        """As many steps as the input is long."""
        body = graph([node("Identity", "runs", "again"), node("Gather", "x i", "element"),
                      node("Add", "v element", "w"), node("Mul", "w w", "square")],
                     [*STEP, ("v", FLOAT, [])],
                     [("again", BOOL, []), ("w", FLOAT, []), ("square", FLOAT, [])])
        path = self.write([node("Size", "x", "n"), node("Loop", "n - start", "y squares", body=body)],
                          [("x", FLOAT, ["N"])], [("y", FLOAT, []), ("squares", FLOAT, ["N"])],
                          [("start", FLOAT, [], [0.5])])
        self.check(path, {"x": [1, 2, 3]}, {"y": 6.5, "squares": [2.25, 12.25, 42.25]})

    def test_stacked_outputs_of_a_condition(self):
        body = graph([node("Add", "v v", "w"), node("Less", "w x", "again"), node("Identity", "w", "s")],
                     [*STEP, ("v", FLOAT, [])], [("again", BOOL, []), ("w", FLOAT, []), ("s", FLOAT, [])])
        path = self.write([node("Loop", "ten - x", "y all", body=body)], [("x", FLOAT, [])],
                          [("y", FLOAT, []), ("all", FLOAT, ["K"])], [("ten", INT64, [], [10])])
        self.refuse(mapsto("run", path, "--input", "x=1"), "known at run time only", "`s`")

    def test_values_that_grow(self):
        body = graph([node("Identity", "runs", "again"), node("Concat", "v x", "w", axis=0)],
                     [*STEP, ("v", FLOAT, ["a"])], [("again", BOOL, []), ("w", FLOAT, ["b"])])
        path = self.write([self.loop(body, trips="three")], [("x", FLOAT, [2])], [("y", FLOAT, [8])],
                          [("three", INT64, [], [3])])
        self.check(path, {"x": [1, 2]}, {"y": [1, 2] * 4})

    def test_sequences_of_the_model(self):
        """A sequence is its tensors, each with sizes of its own."""
        many = ("sequence", FLOAT)
        body = graph([node("Mul", "v f", "w")], [("v", FLOAT, ["N"]), ("f", FLOAT, [1])], [("w", FLOAT, ["N"])])
        path = self.write([node("SequenceMap", "x f", "y", body=body), node("SequenceLength", "x", "n")],
                          [("x", many, ["N"]), ("f", FLOAT, [1])], [("y", many, ["N"]), ("n", INT64, [])])
        self.check(path, {"x_0": [1, 2], "x_1": [3], "f": [2]}, {"y_0": [2, 4], "y_1": [6], "n": 2}, "--length", "x=2")
        self.check(path, {"f": [2]}, {"n": 0}, "--length", "x=0")
        self.refuse(mapsto("run", path, "--input", "f=1"), "input `x` is a sequence", "--length x=N")
        for option, message in (("y=1", "no sequence `y`"), ("f=1", "no sequence `f`"), ("x=none", "length none"),
                                ("x=9999", "length 9999"), ("x=-1", "--length needs NAME=N")):
            self.refuse(mapsto("run", path, "--length", option), message)

    def test_optionals_of_the_model(self):
        path = self.write([node("OptionalHasElement", "x", "is"), node("If", "is", "y", then_branch=graph(
            [node("OptionalGetElement", "x", "v"), node("Neg", "v", "z")], [], [("z", FLOAT, [2])]),
            else_branch=graph([node("Identity", "d", "z")], [], [("z", FLOAT, [2])]))],
            [("x", ("optional", FLOAT), [2]), ("d", FLOAT, [2])], [("y", FLOAT, [2])])
        self.check(path, {"x": [1, 2], "d": [5, 6]}, {"y": [-1, -2]}, "--length", "x=1")
        self.check(path, {"d": [5, 6]}, {"y": [5, 6]}, "--length", "x=none")
        self.refuse(mapsto("run", path, "--length", "x=2"), "an optional tensor has 1 or none")
        self.refuse(mapsto("run", path), "input `x` is an optional", "=none")
        path = self.write([node("Identity", "x", "y")], [("x", ("optional", ("sequence", INT64)), ["N"])],
                          [("y", ("optional", ("sequence", INT64)), ["N"])])
        self.check(path, {"x_0": [7, 8]}, {"y_0": [7, 8]}, "--length", "x=1")

    def test_sizes_that_broadcast(self):
        """Sizes of two names are one where ops need it; one of a name is never taken to be 1."""
        path = self.write([node("Add", "x y", "z")], [("x", FLOAT, ["N"]), ("y", FLOAT, [2, "M"])],
                          [("z", FLOAT, [2, "M"])])
        self.check(path, {"x": [1, 2], "y": [[1, 2], [3, 4]]}, {"z": [[2, 4], [4, 6]]})
        self.refuse(mapsto("run", path, "--input", "x=[1]", "--input", "y=[[1,2],[3,4]]"), "y")
        path = self.write([node("Add", "x y", "z")], [("x", FLOAT, [3]), ("y", FLOAT, [2])], [("z", FLOAT, [2])])
        self.refuse(mapsto("run", path, "--input", "x=[1,2,3]", "--input", "y=[1,2]"), "do not broadcast")

    def test_sequence_of_steps(self):
        body = graph([node("Identity", "runs", "again"), node("SequenceInsert", "list x", "longer")],
                     [*STEP, ("list", FLOAT, [])], [("again", BOOL, []), ("longer", FLOAT, [])])
        path = self.write([node("SequenceEmpty", "", "none"), node("Loop", "three - none", "all", body=body),
                           node("ConcatFromSequence", "all", "y", axis=0, new_axis=1)],
                          [("x", FLOAT, [2])], [("y", FLOAT, [3, 2])], [("three", INT64, [], [3])])
        self.check(path, {"x": [1, 2]}, {"y": [[1, 2]] * 3})

    def test_loops_within_loops(self):
        inner = graph([node("Add", "u x", "more"), node("Less", "more ten", "again")],
                      [("j", INT64, []), ("goes", BOOL, []), ("u", FLOAT, [])],
                      [("again", BOOL, []), ("more", FLOAT, [])], [("ten", FLOAT, [], [10.0])])
        body = graph([node("Identity", "runs", "again"), node("Loop", "- - v", "w", body=inner),
                      node("Identity", "w", "s")],
                     [*STEP, ("v", FLOAT, [])], [("again", BOOL, []), ("w", FLOAT, []), ("s", FLOAT, [])])
        path = self.write([node("Loop", "three - x", "y all", body=body)], [("x", FLOAT, [])],
                          [("y", FLOAT, []), ("all", FLOAT, [3])], [("three", INT64, [], [3])])
        self.check(path, {"x": 3}, {"y": 18, "all": [12, 15, 18]})

    def branches(self, *, other):
        yes = graph([node("Add", "x x", "a")], [], [("a", FLOAT, [2])])
        no = graph([other], [], [("b", FLOAT, ["n"])])
        return self.write([node("If", "c", "y", then_branch=yes, else_branch=no)],
                          [("x", FLOAT, [2]), ("c", BOOL, [])], [("y", FLOAT, ["n"])])

    def test_if(self):
        path = self.branches(other=node("Mul", "x x", "b"))
        self.check(path, {"x": [3, 4], "c": 1}, {"y": [6, 8]})
        self.check(path, {"x": [3, 4], "c": 0}, {"y": [9, 16]})

    def test_branches_of_different_shapes(self):
        path = self.branches(other=node("Concat", "x x", "b", axis=0))
        self.refuse(mapsto("run", path, "--input", "x=3,4", "--input", "c=1"), "`y` as [2] and [4]", "--set")
        self.check(path, {"x": [3, 4]}, {"y": [3, 4, 3, 4]}, "--set", "c=0")

    def test_scan(self):
        """Sums of x's columns, times y's: every way to walk and to stack."""
        x, y = [[1, 2, 3], [4, 5, 6]], [[1, 10, 100], [2, 20, 200]]
        body = graph([node("Add", "s a", "t"), node("Mul", "t b", "u")],
                     [("s", FLOAT, [2]), ("a", FLOAT, [2]), ("b", FLOAT, [2])],
                     [("t", FLOAT, [2]), ("u", FLOAT, [2])])
        for back_x, back_y, prepended, axis in [(0, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, -1), (0, 1, 0, 0), (1, 1, 0, 0),
                                                (1, 1, 1, 1), (1, 0, 1, 0)]:
            sums, rows = [0, 0], []
            for step in range(3):
                at, beside = (2 - step if back else step for back in (back_x, back_y))
                sums = [s + x[r][at] for r, s in enumerate(sums)]
                row = [s * y[r][beside] for r, s in enumerate(sums)]
                rows = [row] + rows if prepended else rows + [row]
            scan = node("Scan", "start x y", "last all", body=body, num_scan_inputs=2, scan_input_axes=[1, -1],
                        scan_input_directions=[back_x, back_y], scan_output_directions=[prepended],
                        scan_output_axes=[axis])
            path = self.write([scan], [("x", FLOAT, [2, "N"]), ("y", FLOAT, [2, "N"])],
                              [("last", FLOAT, [2]), ("all", FLOAT, ["P", "Q"])], [("start", FLOAT, [2], [0.0, 0.0])])
            stacked = [list(column) for column in zip(*rows)] if axis else rows
            self.check(path, {"x": x, "y": y}, {"last": sums, "all": stacked})

    def test_functions(self):
        scale = onnx.function("Scale", "x", "y",
                              [node("Constant", "", "k", value_float=Reference("by")),
                               node("Constant", "", "b", value_float=Reference("and")),
                               node("Mul", "x k", "scaled"), node("Add", "scaled b", "y")],
                              ["by"], {"and": 3.0})
        twice = onnx.function("Twice", "x", "y",
                              [node("Scale", "x", "once", "own", by=Reference("by")),
                               node("Scale", "once", "y", "own", by=Reference("by"), **{"and": 1.0})], ["by"])
        chosen = onnx.function("Chosen", "x c", "y", [
            node("If", "c", "y", else_branch=graph([node("Neg", "x", "z")], [], [("z", FLOAT, [2])]),
                 then_branch=graph([node("Scale", "x", "z", "own", by=Reference("by"))], [], [("z", FLOAT, [2])]))],
            ["by"])
        overloads = [onnx.function("Both", "x", "y", [node(op, "x x", "y")], overload=op) for op in ("Add", "Mul")]
        old = onnx.function("Old", "x", "y", [node("Unsqueeze", "x", "y", axes=[0])], opset=11)
        functions = [scale, twice, chosen, old, *overloads]
        x = [1, 2]
        for call, shape, inputs, expected in [
                (node("Scale", "x", "y", "own", by=2.0), [2], {}, [5, 7]),
                (node("Twice", "x", "y", "own", by=2.0), [2], {}, [11, 15]),
                (node("Chosen", "x c", "y", "own", by=2.0), [2], {"c": 1}, [5, 7]),
                (node("Chosen", "x c", "y", "own", by=2.0), [2], {"c": 0}, [-1, -2]),
                (node("Both", "x", "y", "own", overload="Add"), [2], {}, [2, 4]),
                (node("Both", "x", "y", "own", overload="Mul"), [2], {}, [1, 4]),
                (node("Old", "x", "y", "own"), [1, 2], {}, [[1, 2]])]:
            path = self.write([call], [("x", FLOAT, [2]), *([("c", BOOL, [])] if inputs else [])],
                              [("y", FLOAT, shape)], functions=functions)
            self.check(path, {"x": x, **inputs}, {"y": expected})

    def test_sizes_of_two_names(self):
        """An op that needs two sizes to be equal makes them one; a call is refused where they are not."""
        path = self.write([node("MatMul", "x y", "z")], [("x", FLOAT, [2, "K"]), ("y", FLOAT, ["N", 1])],
                          [("z", FLOAT, [2, 1])])
        self.check(path, {"x": [[1, 2], [3, 4]], "y": [[1], [1]]}, {"z": [[3], [7]]})
        self.refuse(mapsto("run", path, "--input", "x=[[1],[2]]", "--input", "y=[[1],[1]]"), "K")


if __name__ == "__main__":
    unittest.main()
