"""Swapping neurons against the published algorithm, and its time at 4,096 neurons.

Run it with ``python tests/benchmarks/bench_swap.py [--json]`` on one core; it ends with 1 below the bar.

The peer is the algorithm of Liu, Gan and Tegmark 2023 (arXiv:2305.08746), written here from its description: the
`TOP_K` neurons with most weight, each tried with every partner, the whole cost evaluated for each trial: distances of
all pairs from their coordinates, times the absolute weights, with the constant length, plus input and output weights.
Ours makes the fewest swaps that give a cost at least as low; beside that it makes as many as the peer, and as many as
help.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median

import numpy as np

from neuromod.geometry import grid_positions
from neuromod.training.swaps import positions as swapping

BAR, TOP_K, L0 = 1000, 30, 0.1


def network(n, seed=0):
    """Weights of a dense network in training: of broad distribution, and of groups that belong together."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 8, n)
    w = rng.lognormal(-4, 1, (n, n)) * np.where(group[:, None] == group, 4, 1) * rng.choice([-1, 1], (n, n))
    return w, rng.normal(0, 0.1, (n, 53)), rng.normal(0, 0.1, (17, n))


def full_cost(w, w_in, w_out, at):
    """Evaluate the whole cost, as the published algorithm does for each candidate."""
    distance = np.abs(at[:, None, 0] - at[None, :, 0]) + np.abs(at[:, None, 1] - at[None, :, 1])
    return (np.abs(w) * (distance + L0)).sum() + L0 * (np.abs(w_in).sum() + np.abs(w_out).sum())


def published(w, w_in, w_out, at, top_k):
    """Exchange each of the most important neurons with the partner that is best by full evaluation."""
    at = at.copy()
    size = np.abs(w)
    importance = size.sum(axis=0) + size.sum(axis=1) + np.abs(w_in).sum(axis=1) + np.abs(w_out).sum(axis=0)
    evaluations = 0
    for j in np.argsort(-importance)[:top_k]:
        costs = np.empty(len(w))
        for k in range(len(w)):
            # Exchanging rows and columns of the weights is the same as exchanging coordinates, which is cheaper.
            at[[j, k]] = at[[k, j]]
            costs[k] = full_cost(w, w_in, w_out, at)
            at[[j, k]] = at[[k, j]]
            evaluations += 1
        best = int(costs.argmin())
        at[[j, best]] = at[[best, j]]
    return at, evaluations


def timed(function, repeats):
    """Return the result of a function and the median of its times in s."""
    times = []
    for _ in range(repeats):
        begun = time.process_time()
        result = function()
        times.append(time.process_time() - begun)
    return result, median(times)


def main():
    """Measure, print, and fail below the bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--neurons", type=int, default=400)
    parser.add_argument("--large", type=int, default=4096)
    arguments = parser.parse_args()

    w, w_in, w_out = network(arguments.neurons)
    at = grid_positions(arguments.neurons)
    swapping.swap(w, at, most=1)
    (theirs, evaluations), their_s = timed(lambda: published(w, w_in, w_out, at.astype(np.float64), TOP_K), 1)
    cost = {
        name: full_cost(w, w_in, w_out, p.astype(np.float64)) for name, p in (("before", at), ("published", theirs))
    }
    most, ours = 0, None
    while ours is None or (cost["ours"] > cost["published"] and len(ours.pairs) == most):
        most += 1
        ours = swapping.swap(w, at, most=most)
        cost["ours"] = full_cost(w, w_in, w_out, ours.positions.astype(np.float64))
    _, our_s = timed(lambda: swapping.swap(w, at, most=most), 15)
    equal, equal_s = timed(lambda: swapping.swap(w, at, most=TOP_K), 15)
    cost["ours, as many swaps"] = full_cost(w, w_in, w_out, equal.positions.astype(np.float64))
    whole, whole_s = timed(lambda: swapping.swap(w, at), 3)
    cost["ours, to the end"] = full_cost(w, w_in, w_out, whole.positions.astype(np.float64))

    large, large_in, _ = network(arguments.large, seed=1)
    positions = grid_positions(arguments.large)
    anchors = swapping.Anchors(np.abs(large_in), np.stack([np.full(53, -1.0), np.arange(53.0)], axis=1))
    hundred, large_s = timed(lambda: swapping.swap(large, positions, anchors=anchors, most=100), 1)
    content = {
        "neurons": arguments.neurons,
        "published": {"evaluations": evaluations, "seconds": their_s, "cost": cost["published"]},
        "ours": {"swaps": len(ours.pairs), "seconds": our_s, "cost": cost["ours"]},
        "as_many_swaps": {"swaps": TOP_K, "seconds": equal_s, "cost": cost["ours, as many swaps"]},
        "to_the_end": {"swaps": len(whole.pairs), "seconds": whole_s, "cost": cost["ours, to the end"]},
        "cost_before": cost["before"],
        "ratio": their_s / our_s,
        "bar": BAR,
        "large": {
            "neurons": arguments.large,
            "swaps": len(hundred.pairs),
            "seconds": large_s,
            "change": hundred.change,
        },
    }
    content["passed"] = bool(content["ratio"] >= BAR and cost["ours"] <= cost["published"] and hundred.change < 0)
    if arguments.json:
        print(json.dumps(content))
    else:
        print(f"cost before  {cost['before']:.2f}")
        print(f"published    {cost['published']:.2f} in {their_s:.2f} s, {evaluations:,} evaluations")
        for found, name, seconds in ((ours, "ours", our_s), (equal, "ours, as many swaps", equal_s),
                                     (whole, "ours, to the end", whole_s)):  # fmt: skip
            times = f"{1e3 * seconds:.2f} ms: {their_s / seconds:,.0f} times"
            print(f"{name:20} {cost[name]:.2f} in {times}, {len(found.pairs)} swaps")
        print(f"{arguments.large:,} neurons, {len(hundred.pairs)} swaps with 53 inputs in {large_s:.1f} s")
    raise SystemExit(0 if content["passed"] else 1)


if __name__ == "__main__":
    main()
