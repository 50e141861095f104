"""Times every row with Mapsto and with its peers, alternating."""

import argparse
import datetime
import math
import re
import statistics
import sys
import tempfile
import time

import numpy as np

import participants
import report
import rows
from limits import Limits

# Two sums in another order differ by rounding; a wrong result by much more.
TOLERANCE = 1e-3
# A peer so much slower than the best one after a round cannot become it.
HOPELESS = 1.5
# Until the threads of the one before sleep: ONNX Runtime's spin for tens of milliseconds.
PAUSE = 0.1


def prepared(candidates, workers):
    """Those that can run the row; why the others cannot goes to stderr."""
    for candidate in candidates:
        try:
            candidate.prepare(workers)
            yield candidate
        except RuntimeError as error:
            if candidate.kind == "ours":
                raise
            print(f"  {candidate.name}: {error}", file=sys.stderr)


def difference(candidate, reference, workers):
    """The largest error of an output, relative to the largest value of the reference."""
    with tempfile.TemporaryDirectory() as folder:
        results = candidate.results(workers, folder)
    errors = [0.0]
    for name, value in results.items():
        if name in reference:
            errors.append(float(np.max(np.abs(value.reshape(reference[name].shape) - reference[name]))) /
                          max(float(np.max(np.abs(reference[name]))), 1e-30))
    return max(errors) if all(map(math.isfinite, errors)) else math.inf


def run_row(row, workers, limits, options):
    candidates = [participants.ours(row, cpu) for cpu in ("native", None)] + participants.peers(row)
    running = list(prepared(candidates, workers))
    mine = [one for one in running if one.kind == "ours"]
    others = [one for one in running if one.kind != "ours"]
    if not others:
        raise RuntimeError("no peer can run it")
    with tempfile.TemporaryDirectory() as folder:
        reference = others[0].results(workers, folder)
    error = max(difference(one, reference, workers) for one in mine)
    for other in others[1:]:
        if difference(other, reference, workers) > TOLERANCE:
            raise RuntimeError(f"{other.name} and {others[0].name} disagree")
    for turn in range(options.rounds):
        for one in running:
            one.measure(workers, options.window)
            time.sleep(PAUSE)
        if turn == 0:
            best = min(other.medians[0] for other in others)
            running = [one for one in running if one.kind == "ours" or one.medians[0] <= HOPELESS * best]
            others = [one for one in others if one in running]
    for candidate in candidates:
        candidate.drop(workers)
    best = min(others, key=lambda other: statistics.median(other.medians))
    native, default = (statistics.median(one.medians) for one in mine)
    peer = statistics.median(best.medians)
    return report.Result(row.name, limits.threads, native, mine[0].least, default, peer, best.least, best.name,
                         limits.shortest(row), error, error <= TOLERANCE)


def positive(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value

    parse.__name__ = f"positive {kind.__name__}"  # in argparse's message
    return parse


def pattern(text):
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"`{text}` is no regular expression: {error}") from None
    return text


def main():
    parser = argparse.ArgumentParser(prog="tools/bench-peers", description=__doc__)
    parser.add_argument("filter", nargs="?", default="", type=pattern, help="a regular expression: rows to run (default: all)")
    parser.add_argument("--threads", type=positive(int), action="append", help="may be repeated (default: 1, then 2)")
    parser.add_argument("--rounds", type=positive(int), default=5, help="how often every participant is timed (default: 5)")
    parser.add_argument("--window", type=positive(float), default=120, help="milliseconds of one timing (default: 120)")
    parser.add_argument("--markdown", metavar="FILE", help="also write the table there")
    parser.add_argument("--machine", default=report.machine(), help="how the table calls the machine")
    parser.add_argument("--list", action="store_true", help="print the rows' names")
    options = parser.parse_args()
    chosen = participants.names(options.filter)
    if options.list:
        print("\n".join(chosen))
        return 0
    if not chosen:
        parser.error(f"no row matches `{options.filter}`")
    results, limits = [], []
    for threads in options.threads or [1, 2]:
        limits.append(Limits(threads))
        print(f"{threads} thread{'s' * (threads > 1)}: {limits[-1]}")
        print(report.HEADER)
        workers = participants.Workers(threads)
        for name in chosen:
            try:
                results.append(run_row(rows.make(name), workers, limits[-1], options))
            except Exception as error:  # the row fails, the others go on
                results.append(report.Result.failed(name, threads, str(error)))
            print(results[-1], flush=True)
        workers.close()
    if options.markdown:
        report.write_markdown(options.markdown, results, limits, options.machine, datetime.date.today())
    print(report.summary(results))
    return 0 if all(result.right for result in results) else 1


sys.exit(main())
