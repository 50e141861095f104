"""PyTorch as a participant: usage: torch_worker.py THREADS. Answers the lines
that worker.h describes; a case is FORM:ROW."""

import statistics
import sys
import time

import torch

import rows
import torch_forms


def measure(run, milliseconds):
    times, start = [], time.perf_counter_ns()
    before = start
    while before - start < milliseconds * 1e6:
        run()
        after = time.perf_counter_ns()
        times.append(after - before)
        before = after
    return f"{statistics.median(times)} {min(times)} {len(times)}"


def answer(ready, command, name, argument):
    if command == "prepare":
        form, row = argument.split(":", 1)
        row = rows.make(row)
        ready[name] = (torch_forms.forms(row)[form], row.outputs)
        ready[name][0]()
    elif command == "measure":
        return measure(ready[name][0], float(argument))
    elif command == "results":
        for output, value in zip(ready[name][1], ready[name][0]()):
            value.contiguous().numpy().tofile(f"{argument}/{output}.bin")
    else:
        ready.pop(name, None)
    return ""


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_grad_enabled(False)
    ready = {}
    for line in sys.stdin:
        command, name, *argument = line.rstrip("\n").split(" ", 2)
        try:
            print("ok", answer(ready, command, name, argument[0] if argument else ""), flush=True)
        except Exception as error:  # whatever PyTorch raises is the answer
            print("error", str(error).replace("\n", " "), flush=True)


main()
