"""Prove the optima of small placement problems with CP-SAT and store them in `tests/golden/optima.json`.

    python -m venv ortools-env && ortools-env/bin/pip install numpy ortools
    ortools-env/bin/python tests/benchmarks/prove_optima.py

Sixteen neurons on four cores, of networks with and without locality, with and without slack. The model: x[i, c], neuron
i is on core c; y[s, c], core c holds a target of s; each pair of the core of s and a core that it reaches is paid at
the rate of s times one (packets) or the distance (hops). It imports nothing of neuromod.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from ortools.sat.python import cp_model

OUT = Path(__file__).resolve().parents[1] / "golden" / "optima.json"
N, SECONDS = 16, 300.0
# Grid, capacity, mean out-degree, reach of the synapses (none: anywhere), seed.
CASES = [
    ((2, 2), 4, 2.0, 1.0, 0),
    ((2, 2), 5, 2.0, 1.0, 1),
    ((2, 2), 4, 1.5, None, 2),
    ((2, 2), 6, 1.5, None, 3),
    ((1, 4), 4, 1.5, 1.0, 4),
    ((1, 4), 5, 1.5, None, 5),
]


def draw(degree: float, reach: float | None, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sources, targets and rates of a network on a 4x4 lattice."""
    rng = np.random.default_rng(seed)
    at = np.stack(np.divmod(np.arange(N), 4), axis=1)
    distance = np.hypot(*(at[:, None] - at[None]).transpose(2, 0, 1))
    weight = np.ones((N, N)) if reach is None else np.exp(-distance / reach)
    np.fill_diagonal(weight, 0)
    chance = np.minimum(degree * weight / weight.sum(axis=1, keepdims=True), 1)
    source, target = np.nonzero(rng.random((N, N)) < chance)
    return source, target, rng.integers(1, 8, N)


def prove(source, target, rates, grid, capacity, objective) -> int:
    """Return the least cost, proved."""
    k = grid[0] * grid[1]
    row, column = np.divmod(np.arange(k), grid[1])
    hops = np.abs(row[:, None] - row[None]) + np.abs(column[:, None] - column[None])
    cost = hops if objective == "hops" else (hops > 0).astype(int)
    model = cp_model.CpModel()
    x = [[model.new_bool_var(f"x{i}_{c}") for c in range(k)] for i in range(N)]
    for i in range(N):
        model.add_exactly_one(x[i])
    for c in range(k):
        model.add(sum(x[i][c] for i in range(N)) <= capacity)
    paid = []
    for s in range(N):
        reached = [model.new_bool_var(f"y{s}_{c}") for c in range(k)]
        for t in target[source == s].tolist():
            for c in range(k):
                model.add_implication(x[t][c], reached[c])
        for a in range(k):
            for b in range(k):
                if a != b:
                    both = model.new_bool_var(f"z{s}_{a}_{b}")
                    model.add_bool_or(both, ~x[s][a], ~reached[b])
                    paid.append(int(rates[s] * cost[a, b]) * both)
    model.minimize(sum(paid))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = SECONDS
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    if status != cp_model.OPTIMAL:
        raise SystemExit(f"no proof within {SECONDS:g} s: {solver.status_name(status)}")
    return round(solver.objective_value)


def main() -> None:
    """Prove every case for hops and for packets; what is stored already is kept."""
    proofs = json.loads(OUT.read_text())["proofs"] if OUT.exists() else []
    done = {(proof["case"], proof["objective"]) for proof in proofs}
    for number, (grid, capacity, degree, reach, seed) in enumerate(CASES):
        source, target, rates = draw(degree, reach, seed)
        for objective in ("hops", "packets"):
            if (number, objective) in done:
                continue
            optimum = prove(source, target, rates, grid, capacity, objective)
            print(f"{grid[0]}x{grid[1]}, capacity {capacity}, {objective}: {optimum}", flush=True)
            proofs.append({
                "case": number, "objective": objective, "optimum": optimum, "grid": list(grid), "capacity": capacity,
                "source": source.tolist(), "target": target.tolist(), "rates": rates.tolist(),
            })  # fmt: skip
            lines = ",\n  ".join(json.dumps(proof) for proof in proofs)
            made = f'"made_by": "tests/benchmarks/prove_optima.py", "solver": "OR-Tools CP-SAT {version("ortools")}"'
            OUT.write_text(f'{{{made}, "proofs": [\n  {lines}\n]}}\n')


if __name__ == "__main__":
    main()
