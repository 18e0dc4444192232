"""`spiral tune` and then every candidate of a grid, on one GPU, in the time there is: how good are tuned and untuned plans?

usage: gpu_sweep.py --backend cuda --spiral spiral --binary st-bench --grid grid.json --time 580 --json FILE
       gpu_sweep.py --summary FILE [FILE ...]

The table goes where SPIRAL_HOME says. Each cell is a process of its own, the smallest first; what a process that is ended early had
found is lost, so that the file is written after each cell. With several GPUs: tune on one, then `--tuned` and `--cells 0:14` on one,
`--cells 14:28` on another, with the same SPIRAL_HOME. Needs Python 3.9.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time

from gpu_compare import geometric_mean as mean

# Of what an even share of the time left would be (small cells need less than theirs, a sweep ends when all is timed, and half of its
# time is for making candidates ready), and of all the time left: a sweep is not all that a process does, and what is ended early is
# lost.
SHARE = 6.0
MOST = 0.6
# Seconds that there must be for a cell.
LEAST = 8


def size(cell):
    return cell[0] * cell[1]


def name(cell):
    return f"{cell['rows']}x{cell['cols']}, {cell['k']}, {cell['input']} {cell['dtype']}"


def count(several):
    return several if isinstance(several, int) else len(several)


def tune(args, begun):
    command = [args.spiral, "tune", "--device", args.backend, "--grid", args.grid, "--budget", args.budget, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(f"tuned in {time.monotonic() - begun:.0f} s: {json.loads(done.stdout)['measured']} shapes", flush=True)


def sweep(args, cell, seconds, limit):
    """What `st-bench` wrote of a cell; none if it wrote nothing. A wrong result, by which it fails, does not end the others."""
    file = args.json + ".cell"
    with contextlib.suppress(FileNotFoundError):
        os.remove(file)
    command = [args.binary, args.backend, "--tables", "--sweep", "--seconds", f"{seconds:.0f}", "--samples", "2"]
    command += ["--cell", json.dumps(cell), "--json", file]
    try:
        status = subprocess.run(command, stdout=subprocess.DEVNULL, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        print(f"{cell}: its time was over", flush=True)
        return None
    if status != 0:
        print(f"{cell}: st-bench failed with status {status}", flush=True)
    if not os.path.exists(file):
        return None
    with open(file) as text:
        return json.load(text)["cells"][0]


def run(args):
    begun = time.monotonic()
    if not args.tuned:
        tune(args, begun)
    with open(args.grid) as text:
        cells = sorted(json.load(text), key=size)
    first, _, end = args.cells.partition(":")
    cells = cells[int(first or 0) : int(end) if end else None]
    found = []
    for at, cell in enumerate(cells):
        left = args.time - (time.monotonic() - begun)
        if left < LEAST:
            print(f"no time for {cell}", flush=True)
            continue
        started = time.monotonic()
        seconds = min(MOST * left, SHARE * left / (len(cells) - at))
        done = sweep(args, cell, seconds, left)
        took = time.monotonic() - started
        if done is None:
            print(f"{cell}: nothing was found in {took:.0f} s", flush=True)
            continue
        found.append(done)
        with open(args.json, "w") as text:
            json.dump(found, text)
        untried = done["sweep"]["untried"] if done["sweep"] else "all"
        print(f"{cell}: {took:.0f} s, {untried} candidates not tried", flush=True)
    print(summary(found))


def summary(found):
    """How the plans stand, in Markdown."""
    lines = ["| rows x cols, k | tuned | untuned | best | tuned / best | untuned / best | timed |", "|---|--:|--:|--:|--:|--:|--:|"]
    tuned, untuned, timed, all_of, whole, slow = [], [], 0, 0, 0, 0
    for cell in found:
        outcome = cell["sweep"]
        if not outcome:
            lines.append(f"| {name(cell['cell'])} | - | - | - | - | - | 0 |")
            continue
        best, plain = outcome["best_us"], outcome["others_us"][0]
        tuned.append(outcome["planned_us"] / best)
        untuned.append(plain / best)
        # What the model takes for hopeless is not run.
        missing = outcome["untried"] + count(outcome["unpromising"])
        ran = count(outcome["candidates"]) + count(outcome["hopeless"])
        timed += ran
        all_of += ran + missing
        whole += missing == 0
        slow += cell.get("out_of_reach", 0)
        times = f"{outcome['planned_us']:.3g} | {plain:.3g} | {best:.3g}"
        lines.append(f"| {name(cell['cell'])} | {times} | {tuned[-1]:.3f} | {untuned[-1]:.3f} | {ran} of {ran + missing} |")
    if tuned:
        worst = max(t / u for t, u in zip(tuned, untuned))
        lines.append("")
        lines.append(
            f"{len(tuned)} cells: tuned / best {mean(tuned):.4f} (worst {max(tuned):.3f}), untuned / best {mean(untuned):.4f}"
            f" (worst {max(untuned):.3f}), tuned / untuned at most {worst:.3f}; {timed} of {all_of} candidates timed, all of {whole} cells; {slow} more are on too few multiprocessors"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["cuda", "wgpu"])
    parser.add_argument("--spiral", default="spiral", help="the command line")
    parser.add_argument("--binary", default="st-bench")
    parser.add_argument("--grid", help="cells, as st-bench takes them")
    parser.add_argument("--budget", default="120s", help="of `spiral tune`")
    parser.add_argument("--tuned", action="store_true", help="SPIRAL_HOME has the table")
    parser.add_argument("--cells", default=":", help="which of them, by size: FIRST:END")
    parser.add_argument("--time", type=float, default=580, help="seconds for all")
    parser.add_argument("--json", help="where what was found goes")
    parser.add_argument("--summary", nargs="+", metavar="FILE", help="only sum up what was found")
    args = parser.parse_args()
    if args.summary:
        found = []
        for file in args.summary:
            with open(file) as text:
                found += json.load(text)
        print(summary(found))
        return 0
    if not (args.backend and args.grid and args.json):
        parser.error("--backend, --grid and --json are needed")
    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
