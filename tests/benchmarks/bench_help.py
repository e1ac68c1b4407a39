"""Time of `neuromod --help`, beside that of Python importing click alone, in the same run.

Run it with ``python tests/benchmarks/bench_help.py``; it prints one JSON object.
"""

import json
import statistics
import subprocess
import sys
import time

PEER = [sys.executable, "-c", "import click"]
OURS = [sys.executable, "-c", "import sys; sys.argv = ['neuromod', '--help']; from neuromod.cli import main; main()"]


def seconds(command):
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def main(repeats=15):
    seconds(OURS), seconds(PEER)
    # Taken in turn, so that what else the machine does falls on both.
    pairs = [(seconds(OURS), seconds(PEER)) for _ in range(repeats)]
    ours, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(json.dumps({"help_s": round(ours, 3), "click_s": round(peer, 3), "ratio": round(ours / peer, 2)}))


if __name__ == "__main__":
    main()
