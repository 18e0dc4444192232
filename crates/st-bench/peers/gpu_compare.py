"""`st-bench wgpu` or `st-bench cuda` beside the CUDA peers on one machine, cell by cell: ours, theirs.

usage: gpu_compare.py --backend cuda --binary st-bench --peers DIR --grid grid.json [--budget 420] [--json FILE]

Prints a Markdown table and how the figures stand to the limits, while what happens goes to stderr.
Needs Python 3.9 and, for the peers alone, torch and their libraries in DIR. A peer that does not
return is given up for that cell, and the peers are started again. The exit status is 0 only if every limit is shown
to hold: cells that are held to the peers, and for which none ran, are told as not shown.
"""

import argparse
import json
import math
import os
import select
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MB = 1e6
SIZES = {"f32": 4, "bf16": 2, "f16": 2, "i32": 4, "u32": 4}


def note(text):
    print(text, file=sys.stderr, flush=True)


# What is said of the numbers.


def input_bytes(cell):
    rows, cols, _, _, dtype = cell
    return rows * cols * SIZES[dtype]


def least_bytes(cell):
    return input_bytes(cell) + cell[0] * cell[2] * (SIZES[cell[4]] + 4)


def peer_us(peer):
    """A peer's time: by graph replay where there is one."""
    if not peer or "error" in peer or not peer.get("right"):
        return None
    graph, loop = peer.get("graph_us"), peer.get("loop_us")
    return graph if graph is not None else loop


def least(values):
    return min((v for v in values if v is not None), default=None)


def columns(peers):
    """A cell's peers by library: torch sorted, RAFT, FlashInfer, CUB, the best of all."""
    us = {name: peer_us(peer) for name, peer in peers.items()}
    of = lambda prefix: least(v for name, v in us.items() if name.startswith(prefix))
    return us.get("torch_sorted"), of("raft"), of("flashinfer"), of("cub"), least(us.values())


def geometric_mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


class Wgpu:
    """What the WGPU backend is held to."""

    mean, hostile, beaten_from = 2, 3, 4 * MB

    @staticmethod
    def most_us(cell, floor):
        """Microseconds, and how they are said."""
        rows, cols, k, _, _ = cell
        size = input_bytes(cell)
        if size < 4 * MB:
            return 15, "15"
        if size < 64 * MB:
            return floor + 20, f"floor {floor:.1f} + 20"
        most = 2.2 if k > 256 else 2.0 if (rows, cols) == (1048576, 256) else 1.5
        return most * floor, f"{most} floors"


class Cuda:
    """What the CUDA backend is held to."""

    mean, hostile, beaten_from = 2.5, 2, 0

    @staticmethod
    def most_us(cell, floor):
        size, k = input_bytes(cell), cell[2]
        if size < 16 * MB:
            return 12, "12"
        if size < 64 * MB:
            return floor + 12, f"floor {floor:.1f} + 12"
        most = 1.25 if k <= 256 else 1.8 if k <= 4096 else 1.4
        return most * floor, f"{most} floors"


LIMITS = {"wgpu": Wgpu, "cuda": Cuda}


def failures(row, normal_us, limits=Wgpu):
    """The limits that a cell breaks. `normal_us`: our time of the same shape with normal input."""
    cell, ours, floor = row["cell"], row.get("shared_us"), row["floor_us"]
    kind, size, broken = cell[3], input_bytes(cell), []
    if ours is None:
        return [f"no number of ours: {row.get('fault', 'unknown')}"]
    best = columns(row["peers"])[-1]
    if size >= limits.beaten_from and best is not None and ours > best:
        broken.append(f"{ours:.1f} us > the best peer's {best:.1f}")
    # Hostile inputs are held to the normal one's time.
    if kind == "normal":
        most, said = limits.most_us(cell, floor)
        if ours > most:
            floors = f" ({ours / floor:.2f} floors)" if said.endswith("floors") else ""
            broken.append(f"{ours:.1f} us{floors} > {said}")
    elif normal_us is not None and ours > limits.hostile * normal_us:
        broken.append(f"{ours / normal_us:.1f} times the normal input's > {limits.hostile}")
    return broken


def not_shown(row, limits=Wgpu):
    """Why nothing is known of a cell beside the peers, whom it is held to; None if there is a right answer of one of them."""
    if input_bytes(row["cell"]) < limits.beaten_from or columns(row["peers"])[-1] is not None:
        return None
    said = [f"{name}: {peer.get('error', 'no right answer')}" for name, peer in sorted(row["peers"].items())]
    return f"no peer ran ({'; '.join(said) or 'none was asked'})"


def judge(rows, limits=Wgpu):
    """Lines about all cells, and whether every limit is shown to hold: one that no peer was there for is not."""
    shape = lambda cell: (*cell[:3], cell[4])
    normal = {shape(r["cell"]): r.get("shared_us") for r in rows if r["cell"][3] == "normal"}
    lines, good, unknown, ratios = [], True, 0, []
    for row in rows:
        cell = row["cell"]
        broken = failures(row, normal.get(shape(cell)), limits)
        if row.get("fault") and row.get("shared_us") is not None:
            broken.append(row["fault"])
        if broken:
            good = False
            lines.append(f"- FAIL {json.dumps(cell)}: {'; '.join(broken)}")
        why = not_shown(row, limits)
        if why:
            unknown += 1
            lines.append(f"- NOT SHOWN {json.dumps(cell)}: {why}")
        best, ours = columns(row["peers"])[-1], row.get("shared_us")
        if best is not None and ours is not None and input_bytes(cell) >= limits.beaten_from:
            ratios.append((best / ours, cell))
    mean = geometric_mean(r for r, _ in ratios)
    if mean is not None:
        worst = min(ratios)
        if mean < limits.mean:
            good = False
        which = f" of {limits.beaten_from / MB:.0f} MB and more" if limits.beaten_from else ""
        lines.insert(0, f"Best peer / ours over {len(ratios)} cells{which}: geometric mean {mean:.2f} "
                     f"({'pass' if mean >= limits.mean else 'FAIL'}: at least {limits.mean}), worst "
                     f"{worst[0]:.2f} at {json.dumps(worst[1])}.")
    elif unknown:
        lines.insert(0, f"Best peer / ours: not shown, no peer ran in any of {unknown} cells.")
    said = "FAIL" if not good else "pass" if not unknown else "not shown"
    left = f" ({unknown} of {len(rows)} cells without a peer)" if unknown else ""
    lines.append(f"Limits: {said}{left}.")
    return lines, good and not unknown


def short(us):
    if us is None:
        return "-"
    return f"{us:.2f}" if us < 9.995 else f"{us:.1f}" if us < 99.95 else f"{us:.0f}"


def table(rows):
    heads = ["rows x cols, k", "input", "floor", "torch sorted", "RAFT", "FlashInfer", "CUB",
             "best peer", "ours", "ours, alone", "ours / floor",
             "best peer / ours"]
    unsorted = any("unsorted_us" in row for row in rows)
    if unsorted:
        heads.append("ours, unsorted")
    lines = ["| " + " | ".join(heads) + " |", "|---|---|" + "--:|" * (len(heads) - 2)]
    for row in rows:
        n, cols, k, kind, dtype = row["cell"]
        ours, floor, peers = row.get("shared_us"), row["floor_us"], columns(row["peers"])
        ratio = lambda a, b: short(a / b) if a is not None and b else "-"
        cells = [f"{n}x{cols}, {k}", f"{kind} {dtype}", short(floor), *map(short, peers),
                 short(ours), short(row.get("pass_us")), ratio(ours, floor),
                 ratio(peers[-1], ours)]
        if unsorted:
            cells.append(short(row.get("unsorted_us")))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


# What makes the numbers.


class Peers:
    """The peers' process, started when it is needed and again when it is lost."""

    def __init__(self, folder, limit):
        self.folder, self.limit, self.process, self.versions = folder, limit, None, None

    def start(self):
        command = [sys.executable, os.path.join(HERE, "cuda_server.py"), self.folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.buffer = b""
        self.versions = self.line(time.time() + 180)

    def line(self, until):
        """A line of JSON, or None if none comes in time."""
        out = self.process.stdout
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([out], [], [], max(until - time.time(), 0))
            piece = os.read(out.fileno(), 1 << 16) if ready else b""
            if not piece:
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def measure(self, cell, until):
        found, lost = {}, 0
        while lost < 3 and time.time() < until:
            if self.process is None:
                self.start()
                if self.versions is None:
                    self.stop()
                    found["start"] = {"error": "the peers did not start"}
                    return found
            running = None
            job = json.dumps({"cell": cell, "skip": sorted(found)}) + "\n"
            try:
                self.process.stdin.write(job.encode())
                self.process.stdin.flush()
            except OSError:
                pass
            while True:
                said = self.line(min(time.time() + self.limit, until + 5))
                if said is None:
                    break
                if "done" in said:
                    return found
                if "variant" in said:
                    running = said["variant"]
                else:
                    found[said.pop("name")] = said
            # Gone or hanging: without what it was at, from the next on.
            note(f"peers: lost in {running}")
            self.stop()
            found.setdefault(running or "start", {"error": "did not return"})
            lost += 1
        return found


def run_ours(args, cell, bandwidth, limit, more=()):
    """A document of `st-bench`, with more arguments, or the reason there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "ours.json")
        command = [args.binary, args.backend, "--cell", json.dumps(cell), "--json", path, *args.ours, *more]
        if bandwidth:
            command += ["--bandwidth", repr(bandwidth)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            return None, f"did not return in {limit:.0f} s"
        except OSError as error:
            return None, str(error)
        note(done.stderr.rstrip())
        try:
            with open(path, encoding="utf-8") as file:
                return json.load(file), None
        except (OSError, ValueError) as error:
            return None, f"status {done.returncode}: {error}"


def planned(document):
    """Numbers of the planner's choice in a document with one cell, and what is wrong."""
    report = document["cells"][0]
    if report["not_measured"]:
        return None, report["not_measured"]
    found = [c for c in report["contenders"] if c["name"] == "planned"]
    if not found or found[0]["fault"]:
        return None, found[0]["fault"] if found else "not timed"
    return found[0], None


def parse(argv):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--backend", choices=sorted(LIMITS), default="wgpu")
    p.add_argument("--binary", default="st-bench", help="st-bench, built with that feature")
    p.add_argument("--peers", help="folder of the peers' libraries; without it, ours alone")
    p.add_argument("--grid", help="JSON list of cells")
    p.add_argument("--cell", action="append", default=[], help="a cell as JSON; repeatable")
    p.add_argument("--budget", type=float, default=420, help="seconds in all")
    p.add_argument("--limit", type=float, default=40, help="seconds for a peer, or our cell")
    p.add_argument("--bandwidth", type=float, default=0, help="bytes per second; else measured")
    p.add_argument("--again", action="store_true", help="ours again after the peers of each cell")
    p.add_argument("--unsorted", action="store_true", help="also ours by index instead of by rank")
    p.add_argument("--json", help="write all that was found into this file")
    p.add_argument("--ours", action="append", default=[], help="an argument for st-bench, "
                   "as --ours=--cores=132; repeatable")
    return p.parse_args(argv)


def main(argv):
    args = parse(argv)
    cells = [json.loads(c) for c in args.cell]
    if args.grid:
        with open(args.grid, encoding="utf-8") as file:
            cells = json.load(file) + cells
    begun = time.time()
    end = begun + args.budget
    peers = Peers(args.peers, args.limit) if args.peers else None
    result = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "bandwidth": args.bandwidth,
              "rows": []}
    for number, cell in enumerate(cells):
        cell = [*cell, *["normal", "f32"][len(cell) - 3:]]
        if time.time() > end - 5:
            left = [json.dumps(c) for c in cells[number:]]
            note(f"out of time; not measured: {', '.join(left)}")
            result["left"] = cells[number:]
            break
        ours = []
        row = {"cell": cell, "peers": {}}
        turns = ["ours", "peers", "ours"] if args.again else ["ours", "peers"]
        for turn in turns:
            if turn == "peers":
                if peers is not None:
                    row["peers"] = peers.measure(cell, end)
                continue
            document, fault = run_ours(args, cell, result["bandwidth"], args.limit)
            if document is not None:
                result["bandwidth"] = result["bandwidth"] or document["bandwidth"]
                result.setdefault("device", {key: document[key] for key in
                                             ("adapter", "driver", "version", "commit", "caps")})
                numbers, fault = planned(document)
                if numbers is not None:
                    ours.append(numbers)
            if fault:
                row["fault"] = fault
        if args.unsorted:
            document, fault = run_ours(args, cell, result["bandwidth"], args.limit, ["--unsorted"])
            numbers = None
            if document is not None:
                numbers, fault = planned(document)
            if numbers is not None:
                row["unsorted_us"] = numbers["shared_us"]["median"]
            if fault:
                row.setdefault("fault", f"unsorted: {fault}")
        if ours:
            mean = lambda of: sum(map(of, ours)) / len(ours)
            row["shared_us"] = mean(lambda n: n["shared_us"]["median"])
            row["pass_us"] = mean(lambda n: n["pass_us"]["median"])
            row["ours"] = ours
        row["floor_us"] = least_bytes(cell) / (result["bandwidth"] or math.inf) * 1e6
        result["rows"].append(row)
        best = columns(row["peers"])[-1]
        note(f"[{number + 1}/{len(cells)}, {time.time() - begun:.0f} s] {json.dumps(cell)}: best "
             f"peer {short(best)}, ours {short(row.get('shared_us'))}")
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(result, file)
    if peers is not None:
        result["peers"] = peers.versions
        peers.stop()
    lines, good = judge(result["rows"], LIMITS[args.backend])
    device = result.get("device", {})
    print(f"{result['date']}, {device.get('adapter')}, {device.get('driver')}; peers: "
          f"{(result.get('peers') or {}).get('ready')}; microseconds; bandwidth "
          f"{(result['bandwidth'] or 0) / 1e9:.0f} GB/s.\n")
    print("\n".join(table(result["rows"]) + [""] + lines))
    if args.json:
        result["limits"] = lines
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file)
    return 0 if good and "left" not in result else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
