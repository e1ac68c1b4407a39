"""The figures of tables that compare, out of their JSON files; a table that is written draws its figure, too.

``python tests/benchmarks/table_plots.py`` draws all of them anew, without measuring anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from bench_mapping import gain
from matplotlib.figure import Figure

Rows = Mapping[str, Mapping[str, Any]]


def _by_row(figure: Figure, labels: Sequence[str], columns: int = 1) -> list[Any]:
    """Axes beside each other with a label for each row, the first one on top."""
    found = list(figure.subplots(1, columns, sharey=True, squeeze=False)[0])
    found[0].set_yticks(range(len(labels)), labels)
    found[0].set_ylim(len(labels) - 0.5, -0.5)
    for axes in found:
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    return found


def _figure(n_rows: int, width: float = 7.5, row: float = 0.28) -> Figure:
    return Figure(figsize=(width, row * n_rows + 1.1), layout="constrained")


def _legend(axes: Any, columns: int) -> None:
    axes.legend(fontsize=7, loc="lower left", ncols=columns, bbox_to_anchor=(0, 1), frameon=False)


def _intervals(axes: Any, at: float, row: Mapping[str, Any], color: str, label: str | None = None) -> None:
    """Share of equal decisions with its interval."""
    share = row.get("agreement", row.get("decision_agreement"))
    low, high = row.get("interval") or row["decision_agreement_95"]
    axes.errorbar(share, at, xerr=[[share - low], [high - share]], fmt="o", ms=4, lw=1, color=color, label=label)


def data(rows: Rows) -> Figure:
    """Score on the test trials and recurrent weights of each data set and method; a dot for each seed."""
    found = {tuple(key.split("|")): row for key, row in rows.items() if "score" in row and "synapses" in row}
    sets, methods = (list(dict.fromkeys(key[part] for key in found)) for part in (0, 1))
    figure = _figure(len(sets), row=0.42)
    axes = _by_row(figure, sets, 2)
    for number, method in enumerate(methods):
        own = [(sets.index(key[0]), row) for key, row in found.items() if key[1] == method]
        at = [place + 0.16 * (number - (len(methods) - 1) / 2) for place, _ in own]
        axes[0].plot([row["score"] for _, row in own], at, "o", ms=4, alpha=0.8, color=f"C{number}", label=method)
        weights = [(row["synapses"], y) for (_, row), y in zip(own, at, strict=True) if row["synapses"]]
        axes[1].plot(*zip(*weights, strict=True) if weights else ([], []), "o", ms=4, alpha=0.8, color=f"C{number}")
    axes[0].set_xlabel("test score (accuracy or R²)")
    axes[1].set(xlabel="recurrent weights", xscale="log")
    _legend(axes[0], 5)
    return figure


def own_loop(rows: Rows) -> Figure:
    """Accuracy against recurrent synapses; a dot for each seed, a ring for the mean of a penalty."""
    figure = Figure(figsize=(5.5, 3.5), layout="constrained")
    axes = figure.subplots()
    penalties = sorted({key.rpartition(", seed ")[0] for key in rows}, key=lambda name: (name != "none", name))
    for number, penalty in enumerate(penalties):
        own = [row for key, row in rows.items() if key.rpartition(", seed ")[0] == penalty]
        points = [[row[what] for row in own] for what in ("synapses", "test_accuracy")]
        axes.plot(*points, "o", ms=4, color=f"C{number}", label=penalty)
        axes.plot(mean(points[0]), mean(points[1]), "o", ms=10, mfc="none", color=f"C{number}")
    axes.set(xscale="log", xlabel="recurrent synapses", ylabel="test accuracy")
    axes.legend(fontsize=7)
    return figure


def chips(rows: Rows) -> Figure:
    """Decisions of the chip's integers beside the network's, and trials that the simulators repeat to the last bit."""
    rows = {name: row for name, row in rows.items() if row.get("verified")}
    figure = _figure(len(rows))
    (axes,) = _by_row(figure, list(rows))
    for place, row in enumerate(rows.values()):
        equal = row["bit_equal"] == row["trials"]
        _intervals(axes, place, row, "C0" if equal else "C3")
        axes.annotate(
            f"{row['bit_equal']:,} of {row['trials']:,}",
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
        )
    axes.annotate("trials equal to the\nlast bit in the simulator", (1.02, 1.01), xycoords="axes fraction", fontsize=7)
    axes.set(xlabel="decisions equal to the network's, with 95 % interval", xlim=(None, 1.005))
    return figure


def _ratios(ratios: Mapping[str, Mapping[str, float]], label: str) -> Figure:
    """Bars of each row and measure, from where both are equal."""
    measures = list(dict.fromkeys(measure for row in ratios.values() for measure in row))
    figure = _figure(len(ratios), row=0.2 + 0.2 * len(measures))
    (axes,) = _by_row(figure, list(ratios))
    for number, measure in enumerate(measures):
        own = [(place, row[measure]) for place, row in enumerate(ratios.values()) if measure in row]
        at = [place + 0.8 / len(measures) * (number - (len(measures) - 1) / 2) for place, _ in own]
        width = [ratio - 1 for _, ratio in own]
        axes.barh(at, width, 0.75 / len(measures), left=1, color=f"C{number}", label=measure or None)
    axes.axvline(1, color="0.4", linewidth=1)
    axes.set_xlabel(label)
    if measures != [""]:
        _legend(axes, 3)
    return figure


def connectomes(rows: Rows) -> Figure:
    """Ours beside the best library, for each animal, grid and measure."""
    found = {
        name: {measure: 1 - gain(row, measure) for measure in (row["measure"], "packets")} for name, row in rows.items()
    }
    return _ratios(found, "ours / best library")


def many_chips(rows: Rows) -> Figure:
    """Packets to other chips, ours beside the better preset of Mt-KaHyPar."""
    beside = {name: row for name, row in rows.items() if "DEFAULT" in row}
    found = {name: {"": row["ours"] / min(row["DEFAULT"], row["QUALITY"])} for name, row in beside.items()}
    return _ratios(found, "packets to other chips: ours / Mt-KaHyPar, the better of two presets")


def reuse(rows: Rows) -> Figure:
    """Steps until new tasks are known, and what is left of the old ones; a dot for each seed, a ring for the mean."""
    splits, methods = (list(dict.fromkeys(key.split(", ")[part] for key in rows)) for part in (0, 1))
    ways = ("frozen", "all", "scratch")
    labels = [f"{split}: {way}" for split in splits for way in ways]
    figure = _figure(len(labels), row=0.36)
    panels = _by_row(figure, labels, 2)
    for number, method in enumerate(sorted(methods, key=("none", "l1", "bimt").index)):
        for place, label in enumerate(labels):
            split, _, way = label.rpartition(": ")
            own = [row[way] for key, row in rows.items() if key.startswith(f"{split}, {method}, ")]
            at = place + 0.2 * (number - 1)
            for axes, key, scale in ((panels[0], "steps_to_goal", 1), (panels[1], "old_error", 100)):
                values = [scale * row[key] for row in own if row[key] is not None]
                name = method if place == 0 and key == "steps_to_goal" else None
                axes.plot(values, [at] * len(values), "o", ms=3, alpha=0.6, color=f"C{number}", label=name)
                axes.plot(mean(values), at, "o", ms=8, mfc="none", color=f"C{number}")
    panels[0].set(xlabel="steps to 0.9 on the 8 new tasks", xlim=(0, None))
    panels[1].set(xlabel="error on the 12 old tasks afterwards, %", xlim=(0, 100))
    _legend(panels[0], 3)
    return figure


def _conversions(rows: Rows) -> Figure:
    """Equal decisions of each conversion, a colour for each network; keys are "network: conversion"."""
    names = [key.rpartition(": ") for key in rows]
    networks, kinds = (list(dict.fromkeys(name[part] for name in names)) for part in (0, 2))
    figure = _figure(len(kinds), row=0.34)
    said = {"constant": "currents", "poisson": "random spikes"}
    (axes,) = _by_row(figure, [", ".join(said.get(word, word) for word in kind.split(", ")) for kind in kinds])
    for number, network in enumerate(networks):
        shift = 0.16 * (number - (len(networks) - 1) / 2)
        for at, kind in enumerate(kinds):
            row = rows.get(f"{network}: {kind}")
            if row is not None:
                _intervals(axes, at + shift, row, f"C{number}")
        axes.plot([], [], "o", ms=4, color=f"C{number}", label=network)
    axes.set_xlabel("decisions equal to the rate network's, with 95 % interval")
    _legend(axes, 2)
    return figure


def runtimes(rows: Rows) -> Figure:
    """Largest error of each file in each runtime; of 8 bits beside onnxruntime, as in the table."""
    names = list(dict.fromkeys(key.partition(": ")[0] for key in rows))
    files = list(next(iter(rows.values()))["errors"])
    figure = _figure(len(names), row=0.45)
    (axes,) = _by_row(figure, names)
    for number, file in enumerate(files):
        which = "errors_beside_onnxruntime" if "int8" in file else "errors"
        worst = [max(row[which][file] for key, row in rows.items() if key.partition(": ")[0] == name) for name in names]
        at = [place + 0.16 * (number - (len(files) - 1) / 2) for place in range(len(names))]
        axes.plot([max(error, 1e-9) for error in worst], at, "o", ms=4, color=f"C{number}", label=file)
    axes.axvline(1e-5, color="0.4", linewidth=1)
    axes.set(xscale="log", xlabel="largest error; 0 is drawn at 1e-9", xlim=(5e-10, 3e-5))
    _legend(axes, 4)
    return figure


def advice(rows: Rows) -> Figure:
    """What each kind of advice came to when it was followed."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows.values():
        for key, times in row["ends"].items():
            kind, _, end = key.rpartition(": ")
            counts.setdefault(kind, {})[end] = counts.get(kind, {}).get(end, 0) + times
    kinds = sorted(counts, key=lambda kind: sum(counts[kind].values()), reverse=True)
    figure = _figure(len(kinds))
    (axes,) = _by_row(figure, [kind.replace(" and ", " + ") for kind in kinds])
    left = [0] * len(kinds)
    for end in dict.fromkeys(end for found in counts.values() for end in found):
        width = [counts[kind].get(end, 0) for kind in kinds]
        said = {"fits": "followed, it fits", "nothing": "nothing helps, which is said with the reason"}.get(end, end)
        axes.barh(range(len(kinds)), width, left=left, label=said)
        left = [a + b for a, b in zip(left, width, strict=True)]
    axes.set_xlabel("refusals")
    _legend(axes, 3)
    return figure


def referee(rows: Rows) -> Figure:
    """Packets and hops beside those that SANA-FE counts; on the line both are equal."""
    figure = Figure(figsize=(4.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for number, what in enumerate(("packets", "hops")):
        points = [[row[what + by] for row in rows.values()] for by in ("", "_sanafe")]
        axes.plot(*points, "o+"[number], ms=(8, 9)[number], mfc="none", color=f"C{number}", label=what)
    ends = axes.get_xlim()
    axes.plot(ends, ends, color="0.7", linewidth=1, zorder=0)
    axes.set(xscale="log", yscale="log", xlabel="neuromod", ylabel="SANA-FE")
    axes.legend(fontsize=7)
    return figure


DRAW: dict[str, Callable[[Rows], Figure]] = {
    "advice": advice,
    "chips": chips,
    "connectomes": connectomes,
    "data": data,
    "input_counts": _conversions,
    "many_chips": many_chips,
    "own_loop": own_loop,
    "referee": referee,
    "reuse": reuse,
    "runtimes": runtimes,
    "spiking": _conversions,
}


def main() -> None:
    """Draw everything that has been measured."""
    from tables import Table

    for name in DRAW:
        Table(name, "").draw()


if __name__ == "__main__":
    main()
