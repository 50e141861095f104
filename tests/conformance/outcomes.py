"""What is known of the conformance cases: where they are, and which are known not to pass."""

import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
DEBIAN = pathlib.Path("/usr/share/libonnx-testdata/data")
NEWER = SOURCE.parent / "shared" / "onnx-node"


def cases():
    """(name, folder) of all that are here; a folder has model.onnx."""
    roots = [(group, DEBIAN / group) for group in ("node", "simple", "pytorch-converted", "pytorch-operator")]
    for group, root in roots + [("newer", NEWER)]:
        for folder in sorted(root.glob("*")):
            if (folder / "model.onnx").exists():
                yield f"{group}/{folder.name}", folder


def read_list(path):
    known = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if line and not line.startswith("#"):
            name, status, reason = line.split(" ", 2)
            known[name] = (status, reason)
    return known


def write_list(path, results, known, command):
    """Cases that did not run keep their lines."""
    lines = {name: value for name, value in known.items() if name not in results}
    lines.update({name: value for name, value in results.items() if value[0] != "passed"})
    path.write_text(f"# Cases that are known not to pass; written by `{command}`.\n" +
                    "".join(f"{name} {status} {reason}\n" for name, (status, reason) in sorted(lines.items())))


def kind_of(reason):
    """A reason without the names of nodes and files."""
    reason = re.sub(r":? node `.*", "", re.sub(r"^node `[^`]*` ", "", reason))
    return re.sub(r"`(in|out)put_\d+\.pb`", "test data", re.sub(r"^input `[^`]*`", "an input", reason))


def by_reason(results):
    """(reason, names), the most frequent first."""
    reasons = {}
    for name, (status, reason) in results.items():
        if status != "passed":
            reasons.setdefault(f"{status}: {kind_of(reason)}", []).append(name)
    return sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
