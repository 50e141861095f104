"""What is printed of a comparison."""

import dataclasses
import math
import os

NAME = 26
HEADER = (f"{'row':{NAME}} {'ours ms':>9} {'min':>9} {'v3 ms':>9} {'peer ms':>9} {'min':>9} {'ratio':>6} "
          f"{'limit':>6} {'error':>8}  best peer")


@dataclasses.dataclass
class Result:
    name: str
    threads: int
    ours: float
    ours_least: float
    default: float  # compiled for the default CPU instead of this one
    peer: float
    peer_least: float
    by: str
    shortest: float  # the machine's limit
    error: float
    right: bool

    @staticmethod
    def failed(name, threads, why):
        return Result(name, threads, *[math.nan] * 5, why, math.nan, math.nan, False)

    @property
    def ratio(self):
        return self.peer / self.ours if self.right else 0.0

    @property
    def share(self):
        return self.shortest / self.ours

    def __str__(self):
        if math.isnan(self.ours):
            return f"{self.name:{NAME}} fails: {self.by}"
        wrong = "" if self.right else "  WRONG"
        return (f"{self.name:{NAME}} {self.ours:9.4f} {self.ours_least:9.4f} {self.default:9.4f} {self.peer:9.4f} "
                f"{self.peer_least:9.4f} {self.ratio:6.2f} {self.share:6.0%} {self.error:8.1e}  {self.by}{wrong}")


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else 0.0


def summary(results):
    right = [result for result in results if result.right]
    lines = []
    for threads in sorted({result.threads for result in results}):
        some = [result for result in right if result.threads == threads]
        if some:
            lines.append(f"{threads} thread{'s' * (threads > 1)}: geomean {geometric_mean([one.ratio for one in some]):.2f}; compiled for "
                         f"the default CPU {geometric_mean([one.peer / one.default for one in some]):.2f}")
    failed = [result for result in results if not result.right]
    if failed:
        lines.append(f"failed: {', '.join(result.name for result in failed)}")
    least = min((result.ratio for result in right), default=0.0)
    lines.append(f"geomean {geometric_mean([result.ratio for result in right]):.2f} min {least:.2f}")
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "this machine")
    return f"{os.cpu_count()} cores of {model}"


def write_markdown(path, results, limits, machine_name, date):
    with open(path, "w") as file:
        file.write("# Beside its peers\n\n"
                   f"{date}, {machine_name}; f32; medians of timings in turns, in ms, by `tools/bench-peers "
                   f"--markdown {os.path.relpath(path)}`.\n"
                   "`ours` is compiled with `--cpu native`, `default` without; the ratio is the best peer's time over "
                   "ours. `of limit` is\nthe time that the arithmetic at its peak or the reading of memory takes, over "
                   "ours; where as much is written as read, or\na part stays in a nearer cache, it may exceed 100 %. "
                   "The peers are ONNX Runtime 1.30, OpenBLAS 0.3.21 and PyTorch 1.13,\neach in every form of a row "
                   "that may be its fastest; the fastest of all is named.\n")
        for limit in limits:
            some = [result for result in results if result.threads == limit.threads]
            file.write(f"\n## {limit.threads} thread{'s' * (limit.threads > 1)}\n\nThe limits: {limit}.\n\n"
                       "| | ours | default | best peer | by | ratio | of limit |\n|---|---|---|---|---|---|---|\n")
            for result in some:
                file.write(f"| {result.name} | fails: {result.by} | | | | | |\n" if math.isnan(result.ours) else
                           f"| {result.name} | {result.ours:.4g} | {result.default:.4g} | {result.peer:.4g} | "
                           f"{result.by} | {result.ratio:.2f} | {result.share:.0%} |\n")
            right = [result.ratio for result in some if result.right]
            if right:
                file.write(f"\nGeometric mean {geometric_mean(right):.2f}, least {min(right):.2f}.\n")
