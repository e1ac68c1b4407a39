"""The figures of `docs/mapping.md`, out of the JSON files of its tables; the benchmarks draw them too.

    python tests/benchmarks/mapping_plots.py

draws all of them anew, without measuring anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import mean
from typing import Any

from matplotlib.figure import Figure
from tables import FOLDER

from neuromod.plotting.overview import save

MEASURES = ("hops", "packets", "multicast")
SAID = {"hops": "hops", "packets": "packets", "multicast": "multicast hops"}


def rows_of(name: str) -> dict[str, Any]:
    """All rows of a table."""
    rows: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    return rows


def _bars(axes: Any, found: dict[str, dict[str, list[float]]], label: str) -> None:
    """Bars of each network and measure, a dot for each seed, and a line where both are equal."""
    for number, measure in enumerate(MEASURES):
        for place, ratios in enumerate(each.get(measure, []) for each in found.values()):
            if ratios:
                at = place + 0.27 * (number - 1)
                named = SAID[measure] if measure not in axes.get_legend_handles_labels()[1] else None
                axes.barh(at, mean(ratios), 0.25, color=f"C{number}", label=named if place == 0 else None)
                axes.plot(ratios, [at] * len(ratios), ".", color="k", markersize=3)
    axes.axvline(1, color="0.4", linewidth=1)
    axes.set_yticks(range(len(found)), list(found))
    axes.set(xlabel=label, xlim=(0.6, 1.05))
    axes.invert_yaxis()
    axes.legend(fontsize=7, loc="lower left", ncols=3, bbox_to_anchor=(0, 1))


def draw_mapping(found: dict[str, dict[str, list[float]]]) -> None:
    """Ours relative to the best library: network -> measure -> the ratio of each seed."""
    figure = Figure(figsize=(7.5, 0.5 * len(found) + 1.2), layout="constrained")
    _bars(figure.subplots(), found, "ours / best library (bar: mean, dots: seeds)")
    save(figure, FOLDER / "mapping.svg")


def draw_modular(rows: Sequence[tuple[str, str, list[float]]]) -> None:
    """Ours relative to Mt-KaHyPar on networks of modules: network, measure, the ratio of each seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, measure, ratios in rows:
        found.setdefault(name, {})[measure] = ratios
    figure = Figure(figsize=(7.5, 0.5 * len(found) + 1.2), layout="constrained")
    axes = figure.subplots()
    _bars(axes, found, "ours / Mt-KaHyPar, the better of two presets (bar: mean, dots: seeds)")
    axes.set_xlim(0.85, 1.03)
    save(figure, FOLDER / "modular.svg")


def draw_gap() -> None:
    """Hops above the lower bound for the same parts."""
    rows = {key: row for key, row in rows_of("optimum").items() if "gap" in row}
    figure = Figure(figsize=(7.5, 0.28 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(rows)), [100 * row["gap"] for row in rows.values()], color="C0")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set(xlabel="hops above the lower bound for the same parts, %")
    axes.invert_yaxis()
    save(figure, FOLDER / "optimum.svg")


def draw_scale() -> None:
    """Seconds of the commands against the number of neurons, and what a time in proportion would be."""
    rows = sorted(rows_of("scale").values(), key=lambda row: row["neurons"])
    sizes = [row["neurons"] for row in rows]
    figure = Figure(figsize=(5.5, 3.5), layout="constrained")
    axes = figure.subplots()
    for number, command in enumerate(("import", "map", "estimate")):
        seconds = [row[f"{command}_seconds"] for row in rows]
        axes.plot(sizes, seconds, "o-", color=f"C{number}", label=command)
    start = rows[0]["map_seconds"]
    axes.plot(sizes, [start * n / sizes[0] for n in sizes], ":", color="0.5", label="in proportion to the neurons")
    axes.set(xscale="log", yscale="log", xlabel="neurons", ylabel="seconds", ylim=(0.1, 1e4))
    axes.legend(fontsize=7)
    save(figure, FOLDER / "scale.svg")


def draw_traces() -> None:
    """Hops against seconds of one processor, for each start, relative to the best placement of that network."""
    rows = rows_of("traces")
    networks = list(dict.fromkeys(row["network"] for row in rows.values()))
    figure = Figure(figsize=(4.2 * len(networks), 3.3), layout="constrained")
    for axes, network in zip(figure.subplots(1, len(networks), squeeze=False)[0], networks, strict=True):
        lines = [row for row in rows.values() if row["network"] == network]
        least = min(min(row["hops"]) for row in lines)
        for number, row in enumerate(lines):
            axes.plot(row["seconds"], [hops / least for hops in row["hops"]], color=f"C{number}", label=row["start"])
        axes.set(xlabel="CPU seconds of one search", ylabel="hops / least of all", title=network, xlim=(0, None))
        axes.set_ylim(0.98, 1.6)
        axes.title.set_fontsize(8)
        axes.legend(fontsize=6)
    save(figure, FOLDER / "traces.svg")


def main() -> None:
    """Draw everything that has been measured."""
    import bench_mapping
    import bench_modular

    bench_mapping.write_tables()
    bench_modular.write_table()
    draw_gap()
    draw_scale()
    draw_traces()


if __name__ == "__main__":
    main()
