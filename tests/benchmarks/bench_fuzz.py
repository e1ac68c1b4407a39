"""Fuzz every reader: python tests/benchmarks/bench_fuzz.py [--count 500] [--only NAME]; resumable.

Each reader runs in a process of its own with at most 2 GiB more than it had; a process that hangs in a library is
killed. Writes docs/tables/fuzz.json and .md; broken files that found something are kept in --keep.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import fuzz
import fuzz_readers
import tables

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "tables" / "fuzz.json"


def work(name: str, first: int, count: int, keep: Path) -> None:
    """Child: one line of JSON for each trial on stdout."""
    reader = next(item for item in fuzz_readers.READERS if item.name == name)
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary).resolve()
        os.environ["NEUROMOD_RUNS"] = str(base / "run")
        os.chdir(base)
        master = fuzz.make_master(reader, base / "master")
        watch = fuzz.Watch(base / "run")
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + fuzz.BYTES, resource.RLIM_INFINITY))
        for seed in range(first, first + count):
            began = time.monotonic()
            found, broken = fuzz.trial(reader, master, base / "run" / "x", seed, watch)
            outside = sorted(p.name for p in base.iterdir() if p.name not in ("master", "run"))
            found = f"left {outside[0]} outside" if outside else found
            if found not in ("read", "refused"):
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name.replace(' ', '-')}-{seed}-{reader.file}").write_bytes(broken)
            seconds = time.monotonic() - began
            print(json.dumps({"seed": seed, "found": found, "seconds": round(seconds, 3)}), flush=True)


def campaign(name: str, count: int, keep: Path) -> dict[str, object]:
    """Parent of one reader: starts children until all trials are done."""
    done, findings, slowest, deaths = 0, [], 0.0, 0
    normal = {"read": 0, "refused": 0}
    while done < count:
        child = subprocess.Popen(
            [sys.executable, __file__, "--work", name, str(done), str(count - done), str(keep)],
            stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent,
        )  # fmt: skip
        assert child.stdout is not None
        signal.signal(signal.SIGALRM, lambda *_, child=child: child.kill())
        signal.alarm(90)
        for line in child.stdout:
            signal.alarm(20)
            entry = json.loads(line)
            done = entry["seed"] + 1
            slowest = max(slowest, entry["seconds"])
            if entry["found"] in normal:
                normal[entry["found"]] += 1
            else:
                findings.append({"seed": entry["seed"], "found": entry["found"]})
        signal.alarm(0)
        code = child.wait()
        if done < count:
            # The trial at hand took the process with it, or hung where no signal reaches.
            findings.append({"seed": done, "found": f"the process ended with {code} or hung"})
            done, deaths = done + 1, deaths + 1
            if deaths > 5:
                break
    return {"trials": done, **normal, "findings": findings, "slowest_s": slowest}


def main() -> None:
    """Run what is left and write the table."""
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--only", default="")
    parser.add_argument("--again", action="store_true", help="forget what was done before")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "neuromod-fuzz")
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds after which no reader is begun")
    options, begun = parser.parse_args(), time.monotonic()
    content = json.loads(OUT.read_text()) if OUT.exists() else {"readers": {}}
    for reader in fuzz_readers.READERS:
        known = content["readers"].get(reader.name, {})
        if options.only not in reader.name or (known.get("trials", 0) >= options.count and not options.again):
            continue
        if time.monotonic() - begun > options.budget:
            sys.exit(75)
        part = campaign(reader.name, options.count, options.keep.resolve())
        content["readers"][reader.name] = part
        kinds = Counter(str(item["found"]) for item in part["findings"])  # type: ignore[union-attr, index]
        print(f"{reader.name}: {part['trials']} trials, {len(part['findings'])} findings", flush=True)  # type: ignore[arg-type]
        for kind, number in kinds.most_common(8):
            print(f"   {number:4d}  {kind}", flush=True)
        content |= {
            "command": f"python tests/benchmarks/bench_fuzz.py --count {options.count}",
            "trials": sum(item["trials"] for item in content["readers"].values()),
            "findings": sum(len(item["findings"]) for item in content["readers"].values()),
            **tables.stamp(),
        }
        parts = content["readers"]
        rows = [
            [n, item["trials"], item["refused"], item["read"], len(item["findings"]), f"{item['slowest_s']:.2f}"]
            for n, item in parts.items()
        ]
        sums = [sum(item[key] for item in parts.values()) for key in ("trials", "refused", "read")]
        rows.append(["**all**", *sums, content["findings"], f"{max(item['slowest_s'] for item in parts.values()):.2f}"])
        tables.write(OUT, content, ["reader", "mutated inputs", "refused", "read", "findings", "slowest, s"], rows)


if __name__ == "__main__":
    main()
