"""The abstract of "Growing Brains", claim by claim, beside what a sweep measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import mean

import bench_reuse
from sweep_views import MARGIN, Row, best, error, groups, hops_columns, matched, number, show
from tables import markdown

# In space: z of the permutation tests, each with its sign so that more modular is more negative.
IN_SPACE = ("isolated_ratio", "within_cluster_squares", "within_cluster_distance")


def claims_of_the_abstract(rows: Sequence[Row]) -> str:
    """What the abstract says, the measure, our figures and whether they bear it out."""
    found = groups(rows)
    as_trained = {
        key: mean(1 - number(row, "train.accuracy") for row in trials)
        for key, trials in found.items()
        if key[0] == "bimt"
    }
    bimt = found[min(as_trained, key=lambda key: as_trained[key])]
    none = next(trials for (name, _), trials in found.items() if name == "none")
    strength = float(bimt[0]["strength"])

    def each(trials: Sequence[Row], column: str, digits: int = 1) -> str:
        return ", ".join(f"{number(row, column):.{digits}f}" for row in trials)

    def in_space(trials: Sequence[Row]) -> str:
        return "; ".join(each(trials, f"analyze.{key}.z") for key in IN_SPACE)

    def all_z(trials: Sequence[Row], key: str) -> list[float]:
        return [number(row, f"analyze.{key}.z") for row in trials]

    silhouettes = [number(row, "analyze.silhouette") for row in none]
    scattered = all(abs(z) < 3 for key in IN_SPACE for z in all_z(none, key))
    placed = all(z <= -3 for key in IN_SPACE for z in all_z(bimt, key))
    wired = all(z >= 3 for z in all_z(bimt, "functional_modularity"))
    wiring = "analyze.functional_modularity.z"
    z = "z of isolated neurons; squares; distances"
    lines = [
        [
            "trained on compositional tasks, networks can be functionally modular",
            "mean silhouette of the clusters of neurons by task variance, no penalty (≥ 0.25: weak structure or more)",
            each(none, "analyze.silhouette", 2),
            "yes" if min(silhouettes) >= 0.25 else "**no**",
        ],
        [
            "but not anatomically: clusters are not places",
            f"{z}, no penalty (within ±3: as shuffled)",
            in_space(none),
            "yes" if scattered else "**no**",
        ],
        [
            "with BIMT both emerge together: similar neurons are localised",
            f"{z}, BIMT at its λ of least error, {strength:g} (≤ −3 each)",
            in_space(bimt),
            "yes" if placed else "**not in every seed**",
        ],
        [
            "and interconnected",
            "z of the modularity Q of the weights by functional cluster, beside the same weights elsewhere, BIMT (≥ 3)",
            f"{each(bimt, wiring)}; without a penalty {each(none, wiring)}",
            "yes" if wired else "**no**",
        ],
        *_balance(found),
        _reused(),
        ["more interpretable architectures", "no measure that the paper or we have", "–", "not tested"],
    ]
    return markdown(["the abstract says", "measure, each seed", "measured", "held"], lines)


def _reused() -> list[str]:
    """Whether what BIMT has learned helps with new tasks more than what the others have."""
    rows = bench_reuse.TABLE.read()["rows"]
    said, held = [], True
    for split in bench_reuse.SPLITS:
        for other in ("none", "l1"):
            more = bench_reuse.differences(rows, split, other, lambda row: bench_reuse.steps_to_goal(row["frozen"]))
            said.append(f"{bench_reuse.interval(more, 0)} against {'L1' if other == 'l1' else other}")
            held &= bench_reuse.bounds(more)[1] < 0
    return [
        "anatomical modules are a robust substrate for the same subtasks in the future",
        "256 neurons, [a study of our own](reuse.md): steps that BIMT needs more to know 8 new tasks, recurrence "
        "frozen, two splits (each interval below 0)",
        "; ".join(said),
        "yes" if held else "**no**",
    ]


def _balance(found: dict[tuple[str, float], list[Row]]) -> list[list[str]]:
    """Performance against sparsity, and what a grid of cores sees of it, at matched error."""
    rows = [row for trials in found.values() for row in trials]
    limit = (best(found, "none", error) or 0.0) + MARGIN
    names = ("bimt", "l1", "none")

    def at(value: Callable[[Row], float]) -> dict[str, float | None]:
        points = {name: matched(found, name, limit, value) for name in names}
        return {name: None if point is None else point[0] for name, point in points.items()}

    def line(claim: str, measure: str, values: dict[str, float | None], digits: int) -> list[str]:
        ours, others = values["bimt"], [values[name] for name in names[1:]]
        held = ours is not None and all(other is None or ours <= other for other in others)
        shown = ", ".join(f"{name} {show(values[name], digits)}" for name in names)
        return [claim, measure, shown, "yes" if held else "**no**"]

    annealed = next(column for placer, column in hops_columns(rows).items() if placer == "annealing")
    errors = {name: best(found, name, lambda row: 1 - number(row, "train.accuracy")) for name in names}
    within = f"at error ≤ {limit:.4f}"
    return [
        line("superior performance to L1 and to no penalty", "best mean error over λ, as trained", errors, 4),
        line(
            "a better balance with sparsity",
            f"fewest active neurons {within}",
            at(partial(number, column="analyze.active_neurons")),
            0,
        ),
        line(
            "(in synapses)",
            f"fewest synapses {within}",
            at(partial(number, column="prune.synapses_after")),
            0,
        ),
        line(
            "promise for neuromorphic computing",
            f"fewest hops a step on 4x4 cores {within}, each placed as well as the search can",
            at(partial(number, column=annealed)),
            1,
        ),
    ]
