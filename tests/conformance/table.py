#!/usr/bin/env python3
"""Writes the tables of docs/onnx.md from the lists of cases that are known not to pass.

usage: table.py [--check]: with it nothing is written, and the exit code is 1 where
the page is not in step.
"""

import re
import sys

sys.dont_write_bytecode = True
from outcomes import HERE, SOURCE, by_reason, cases, read_list

PAGE = SOURCE / "docs" / "onnx.md"
BEGIN, END = "<!-- tests/conformance/table.py writes this -->\n", "<!-- end -->\n"
LISTS = {"CPU": "cpu", "Vulkan": "vulkan", "ONNX Runtime 1.30": "onnxruntime"}
GROUPS = ("node", "simple", "pytorch-converted", "pytorch-operator", "newer")
# Types that are none of f16, bf16, f32, f64, integers of 8 to 64 bits and bool, and what is no tensor: either of the two
# drivers does without.
OTHER_TYPES = re.compile(r"elements of (string|u?int[24]|float[48]\w*|complex\d+|type \d+)|casts? to (string|u?int[24]|float[48])|"
                         r"` is no tensor")


def table(names, lists):
    rows = ["| cases | of | " + " | ".join(lists) + " |", "|---|---|" + "---|" * len(lists)]

    def row(label, chosen):
        cells = []
        for known in lists.values():
            out = [known[name][0] for name in chosen if name in known]
            cells.append(f"{len(chosen) - len(out)} / {out.count('failed')} / {out.count('unsupported')}")
        rows.append(f"| {label} | {len(chosen)} | " + " | ".join(cells) + " |")

    for group in GROUPS:
        row(f"`{group}`", [name for name in names if name.startswith(group + "/")])
    row("all", names)
    row("all of supported types", [name for name in names if not any(
        OTHER_TYPES.search(known.get(name, ("", ""))[1]) for known in lists.values())])
    newer = [name for name in names if name.startswith("newer/") and "_expanded" not in name]
    row("`newer`, not expanded", newer)
    return rows


def reasons(title, known):
    if not known:
        return [f"\n### Not passed: {title}\n", "None."]
    lines = [f"\n### Not passed: {title}\n", "| cases | why | such as |", "|---|---|---|"]
    for reason, names in by_reason(known):
        lines.append(f"| {len(names)} | {reason.replace('|', '/')} | `{names[0]}` |")
    return lines


def main():
    names = [name for name, _ in cases()]
    if not (HERE / "cpu.txt").exists():
        print("no outcome is recorded yet: tests/conformance/run --record")
        return 0
    lists = {title: read_list(HERE / f"{stem}.txt") for title, stem in LISTS.items() if (HERE / f"{stem}.txt").exists()}
    lines = ["passed / failed / unsupported\n"] + table(names, lists)
    lines += reasons("CPU", lists["CPU"])
    vulkan = lists.get("Vulkan", {})
    lines += reasons("Vulkan alone", {n: o for n, o in vulkan.items() if n not in lists["CPU"]})
    before = PAGE.read_text()
    start, end = before.index(BEGIN) + len(BEGIN), before.index(END)
    after = before[:start] + "\n" + "\n".join(lines) + "\n\n" + before[end:]
    if "--check" not in sys.argv:
        PAGE.write_text(after)
    elif not all((name.split("/")[0] in {n.split("/")[0] for n in names}) for name in lists["CPU"]):
        print("not all cases are here: the page is not checked")
    elif before != after:
        print("docs/onnx.md is not in step with the lists: run tests/conformance/table.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
