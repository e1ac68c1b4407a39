"""What the tables of docs/ say about a sweep: curves, claims, hops at equal accuracy, modules, chips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean

from tables import markdown

Row = dict[str, str]

# Error above that of `none` at which methods are compared.
MARGIN = 0.02


@dataclass(frozen=True)
class Bars:
    """What is asked of BIMT: margins of its best error over the others', ratios of wiring, means of z.

    Of tasks that may be left unlearned, also the error without a penalty, and the accuracy on its worst task.
    """

    error: float
    margin: float
    of_l1: int
    of_none: int
    mean_squares: float
    far: float
    decades: float
    error_of_none: float | None = None
    worst_task: float | None = None


BARS = Bars(error=0.035, margin=0.01, of_l1=2, of_none=20, mean_squares=-3, far=0.2, decades=2)
# At the size of the paper, where its own figures are: 0.0265, 0.030 and 0.0336; 1/5 to 1/12 and 1/97.
AT_PAPERS_SIZE = Bars(error=0.03, margin=0.005, of_l1=10, of_none=200, mean_squares=-5, far=0.1, decades=2.5)

ON_MOD_COG = replace(BARS, error=0.05, error_of_none=0.05, worst_task=0.8)

# In the name of the column that follows `neuromod prune --packets`.
PACKETS = "--activity rates"

# Measures of clusters in space, with a permutation z.
Z = {
    "isolated_ratio": "isolated neurons",
    "within_cluster_squares": "squared distances within clusters",
    "within_cluster_distance": "distances within clusters",
}

# What the paper's own figures of modules in space appear to measure, along the grid row by row.
BY_INDEX = {"isolated_by_index": "isolated by index", "index_variance": "variance of indices"}


def method(row: Row) -> str:
    """Name of what a trial varies besides λ and the seed."""
    name = "distance between cores" if row.get("wiring.cost") == "distance" else row["method"]
    for key, value in row.items():
        said = key in ("wiring.cost", "chip.cores", "chip.neurons_per_core")
        if value and not said and key.partition(".")[0] in ("wiring", "training", "chip"):
            name += f", {key.partition('.')[2]} = {value}"
    return name


def number(row: Row, column: str) -> float:
    """Value of a column."""
    return float(row[column])


def error(row: Row) -> float:
    """Error after pruning, on trials that neither training nor pruning has seen where there are such."""
    return 1 - float(row.get("analyze.accuracy") or row["prune.accuracy_after"])


def error_of(column: str) -> Callable[[Row], float]:
    """Error of the network whose hops a column holds: packets that were taken away have cost some more."""
    return error_with_fewer_packets if PACKETS in column else error


def error_with_fewer_packets(row: Row) -> float:
    """Error after `neuromod prune --packets`."""
    (column,) = (key for key in row if key.startswith("prune --packets") and key.endswith(".accuracy_after"))
    return 1 - float(row[column])


def hops_columns(rows: Sequence[Row]) -> dict[str, str]:
    """Placer, and what is special, -> column of its hops."""
    found = {}
    for column in rows[0]:
        if column.startswith("map") and column.endswith(".hops"):
            name = column.removesuffix(".hops").rpartition("--placer ")[2]
            name += ", spikes" if "--activity spikes" in column else ""
            name += ", fewer packets" if PACKETS in column else ""
            found[name] = column
    return found


def groups(rows: Sequence[Row]) -> dict[tuple[str, float], list[Row]]:
    """Trials that differ in their seed alone."""
    found: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        found.setdefault((method(row), float(row["strength"])), []).append(row)
    return dict(sorted(found.items()))


def best(found: dict[tuple[str, float], list[Row]], name: str, value: Callable[[Row], float]) -> float | None:
    """Least mean over seeds of a value, over the λ of a method."""
    return min((mean(map(value, rows)) for (other, _), rows in found.items() if other == name), default=None)


def matched(
    found: dict[tuple[str, float], list[Row]],
    name: str,
    limit: float,
    value: Callable[[Row], float],
    missed: Callable[[Row], float] = error,
) -> tuple[float, float] | None:
    """Least mean of a value among the λ of a method whose mean error is within a limit, and that λ's error."""
    at = [
        (mean(map(value, rows)), mean(map(missed, rows)))
        for (other, _), rows in found.items()
        if other == name and mean(map(missed, rows)) <= limit
    ]
    return min(at, default=None)


def show(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 or digits == 0 else f"{value:.{digits}f}"


def curves(rows: Sequence[Row]) -> str:
    """Mean over the seeds of every λ."""
    columns = hops_columns(rows)
    lines = []
    for (name, strength), trials in groups(rows).items():
        errors = [error(row) for row in trials]
        line = [name, "–" if name.startswith("none") else f"{strength:g}", str(len(trials))]
        line += [f"{mean(1 - number(row, 'train.accuracy') for row in trials):.4f}"]
        line += [f"{mean(errors):.4f} ({min(errors):.4f}–{max(errors):.4f})"]
        line += [show(mean(number(row, "prune.synapses_after") for row in trials), 0)]
        line += [show(mean(number(row, "prune.neurons_after") for row in trials), 0)]
        if trials[0].get("analyze.wiring_length"):
            line += [show(mean(number(row, "analyze.wiring_length") for row in trials), 0)]
        for column in columns.values():
            hops = show(mean(number(row, column) for row in trials), 1)
            line += [f"{hops} (error {mean(map(error_of(column), trials)):.4f})" if PACKETS in column else hops]
        lines.append(line)
    header = ["method", "λ", "seeds", "error as trained", "error after pruning", "synapses", "neurons"]
    if rows[0].get("analyze.wiring_length"):
        header += ["wiring length"]
    header += [f"hops, {placer}" for placer in columns]
    return markdown(header, lines)


def claims(rows: Sequence[Row], bars: Bars = BARS) -> str:
    """Return the claims of the paper with what was measured."""
    found = groups(rows)
    names = ("bimt", "l1", "none")

    def as_trained(row: Row) -> float:
        return 1 - number(row, "train.accuracy")

    def length(row: Row) -> float:
        return number(row, "analyze.wiring_length")

    def passed(value: bool) -> str:
        return "yes" if value else "**no**"

    errors = {name: best(found, name, as_trained) for name in names}
    lines = []
    bimt, l1, none = (errors[name] for name in names)
    if bimt is not None and l1 is not None and none is not None:
        held = bimt <= min(l1, none) + bars.margin and bimt <= bars.error
        shown = f"BIMT {bimt:.4f}, L1 {l1:.4f}, none {none:.4f}"
        bar = f"BIMT ≤ L1 + {bars.margin:g}, ≤ none + {bars.margin:g}, ≤ {bars.error:g}"
        lines.append(["best mean error, as trained", bar, shown, passed(held)])
        if bars.error_of_none is not None:
            shown = f"{none:.4f}"
            lines.append(
                ["mean error without a penalty", f"≤ {bars.error_of_none:g}", shown, passed(none <= bars.error_of_none)]
            )
        floor = best(found, "none", error) or 0.0
        at = {name: matched(found, name, floor + MARGIN, length) for name in names}
        lengths = {name: None if point is None else point[0] for name, point in at.items()}
        if lengths["bimt"] and lengths["none"]:
            # A method that does not reach the error has no length to compare with.
            l1_length = lengths["l1"] or float("inf")
            held = lengths["bimt"] <= min(l1_length / bars.of_l1, lengths["none"] / bars.of_none)
            shown = ", ".join(f"{name} {show(lengths[name], 0)}" for name in names)
            of_l1 = f"1/{l1_length / lengths['bimt']:.1f} of L1" if lengths["l1"] else "L1 does not reach the error"
            shown += f" ({of_l1}, 1/{lengths['none'] / lengths['bimt']:.0f} of none)"
            bar = f"BIMT ≤ 1/{bars.of_l1} of L1, ≤ 1/{bars.of_none} of none"
            lines.append([f"wiring length at error ≤ {floor + MARGIN:.4f}", bar, shown, passed(held)])

    def spread(name: str, column: str, digits: int = 2) -> str:
        values = [number(row, column) for (other, _), trials in found.items() if other == name for row in trials]
        return f"{name} {min(values):.{digits}f} to {max(values):.{digits}f}" if values else f"{name} –"

    def all_of(name: str, column: str) -> list[float]:
        return [number(row, column) for (other, _), trials in found.items() if other == name for row in trials]

    if bars.worst_task is not None and rows[0].get("train.worst_task"):
        at = found["none", number(next(row for row in rows if row["method"] == "none"), "strength")]
        shown = ", ".join(f"{row['train.worst_task']} {number(row, 'train.worst_task_accuracy'):.2f}" for row in at)
        held = min(number(row, "train.worst_task_accuracy") for row in at) >= bars.worst_task
        bar = f"≥ {bars.worst_task:g} in every seed"
        lines.append(["accuracy on the worst task, without a penalty", bar, shown, passed(held)])
    chosen = min(
        ((mean(map(as_trained, trials)), strength) for (name, strength), trials in found.items() if name == "bimt"),
        default=(0.0, 0.0),
    )[1]
    for key, words in Z.items():
        column = f"analyze.{key}.z"
        at = [number(row, column) for row in found["bimt", chosen]]
        shown = f"bimt at its λ of least error, {chosen:g}: {', '.join(f'{value:.1f}' for value in at)}; "
        shown += "every λ: " + ", ".join(spread(name, column, 1) for name in names)
        asked = bars.mean_squares if key == "within_cluster_squares" else -3
        bar = "BIMT ≤ −3 in every seed" + ("" if asked == -3 else f", mean ≤ −{-asked:g}")
        lines.append([f"z, {words}", bar, shown, passed(max(at) <= -3 and mean(at) <= asked)])
    shown = ", ".join(spread(name, "analyze.far_to_near_weight", 3) for name in names)
    held = max(all_of("bimt", "analyze.far_to_near_weight")) <= bars.far
    bar = f"BIMT ≤ 1/{1 / bars.far:g}; L1, none ≈ 1"
    lines.append(["mean weight at ≥ 4 pitches against 1", bar, shown, passed(held)])
    shown = spread("bimt", "analyze.importance_gap.decades", 1)
    held = min(all_of("bimt", "analyze.importance_gap.decades")) >= bars.decades
    lines.append(["importance gap, decades within 5 % of the ranks", f"BIMT ≥ {bars.decades:g}", shown, passed(held)])
    drops = [
        number(row, "prune.accuracy_before") - number(row, "prune.accuracy_after")
        for (name, _), trials in found.items()
        if name == "bimt"
        for row in trials
    ]
    sparsity = all_of("bimt", "prune.sparsity")
    shown = f"BIMT: sparsity {min(sparsity):.3f} to {max(sparsity):.3f}, change {min(drops):+.4f} to {max(drops):+.4f}"
    held = min(sparsity) >= 0.9 and max(drops) < 0.01
    lines.append(["≥ 90 % of the synapses pruned", "accuracy changes by < 0.01", shown, passed(held)])
    return markdown(["claim", "bar", "measured", "held"], lines)


def hops_at_error(rows: Sequence[Row]) -> str:
    """Fewest hops of each method within an error, by placer."""
    found, columns = groups(rows), hops_columns(rows)
    floor = best(found, "none", error)
    floor = floor if floor is not None else min(error(row) for row in rows)
    names = list(dict.fromkeys(name for name, _ in found))
    lines = []
    for margin in (0.01, MARGIN, 0.03):
        for name in names:
            line = [f"≤ {floor + margin:.4f}", name]
            for column in columns.values():
                at = matched(found, name, floor + margin, partial(number, column=column), error_of(column))
                line.append("–" if at is None else f"{at[0]:.1f} (error {at[1]:.4f})")
            lines.append(line)
    return markdown(["error", "method", *(f"hops, {placer}" for placer in columns)], lines)


def front(found: dict[tuple[str, float], list[Row]], name: str, column: str) -> list[tuple[float, float]]:
    """Error and hops of the λ of a method that no other of its λ beats in both, means over seeds, by rising error."""
    points = sorted(
        (mean(map(error_of(column), rows)), mean(number(row, column) for row in rows))
        for (other, _), rows in found.items()
        if other == name
    )
    return [(at, hops) for k, (at, hops) in enumerate(points) if all(hops < other for _, other in points[:k])]


def at_error(points: Sequence[tuple[float, float]], limit: float) -> float | None:
    """Hops of a front at an error, log-linear between its λ; None below its least error."""
    before = [point for point in points if point[0] <= limit]
    after = [point for point in points if point[0] > limit]
    if not before:
        return None
    (low, hops), (high, fewer) = before[-1], (after or before[-1:])[0]
    if high == low or hops <= 0 or fewer <= 0:
        return hops
    return float(hops * (fewer / hops) ** ((limit - low) / (high - low)))


def equal_accuracy(rows: Sequence[Row]) -> str:
    """Hops of networks trained for hops, and their ratio to those of the others at the same error.

    The ratio is that to the curve of means over the same seeds; behind it stands that of each seed, network against the
    curve of its own seed: errors of all methods move with the seed.
    """

    def curve(other: str, column: str, seeds: set[str]) -> list[tuple[float, float]]:
        return front(groups([row for row in rows if row["seed"] in seeds]), other, column)

    def ratio(hops: float, other: float | None) -> str:
        return "–" if not other else f"{hops / other:.2f}"

    lines = []
    for placer, column in hops_columns(rows).items():
        if not placer.startswith("annealing"):
            continue
        missed = error_of(column)
        for (name, strength), trials in groups(rows).items():
            if name != "hops":
                continue
            error_here, hops = mean(map(missed, trials)), mean(number(row, column) for row in trials)
            line = [placer, f"{strength:g}", f"{error_here:.4f}", show(hops, 1)]
            for other in ("l1", "bimt", "none"):
                together = at_error(curve(other, column, {row["seed"] for row in trials}), error_here)
                each = [
                    ratio(number(row, column), at_error(curve(other, column, {row["seed"]}), missed(row)))
                    for row in trials
                ]
                line.append(f"{ratio(hops, together)} ({', '.join(each)})")
            lines.append(line)
    header = ["placement, activity", "λ", "error", "hops", "ratio to L1 (each seed)", "to BIMT", "to none"]
    return markdown(header, lines)


def parts_left_out(rows: Sequence[Row]) -> str:
    """Variants of training for hops beside the curve of the whole method at the same error, means over the seeds."""
    columns = {name: column for name, column in hops_columns(rows).items() if name.startswith("annealing")}
    found, lines = groups(rows), []
    fronts = {column: front(found, "hops", column) for column in columns.values()}
    for (name, strength), trials in found.items():
        if name == "hops":
            continue
        line = [name, f"{strength:g}", str(len(trials))]
        for column in columns.values():
            missed = mean(map(error_of(column), trials))
            hops = mean(number(row, column) for row in trials)
            whole = at_error(fronts[column], missed)
            line.append(f"{hops:.1f} at {missed:.4f}; {'–' if not whole else f'{hops / whole:.2f}'}")
        lines.append(line)
    return markdown(["variant", "λ", "seeds", *(f"{placer}: hops at error; ratio" for placer in columns)], lines)


def modules(rows: Sequence[Row]) -> str:
    """Measures of modules in space for every λ: each seed, or the range over the seeds."""

    def each(trials: Sequence[Row], column: str, digits: int) -> str:
        return ", ".join(f"{float(row[column]):.{digits}f}" for row in trials if row.get(column)) or "–"

    lines = []
    by_index = {key: words for key, words in BY_INDEX.items() if rows[0].get(f"analyze.{key}.z")}
    for (name, strength), trials in groups(rows).items():
        line = [name, "–" if name.startswith("none") else f"{strength:g}"]
        line += [each(trials, f"analyze.{key}.z", 1) for key in Z]
        line += [each(trials, f"analyze.{key}.z", 1) for key in by_index]
        line += [each(trials, "analyze.far_to_near_weight", 2), each(trials, "analyze.importance_gap.decades", 1)]
        lines.append(line)
    header = ["method", "λ", *(f"z, {words}" for words in (*Z.values(), *by_index.values()))]
    header += ["far to near weight", "importance gap, decades"]
    return markdown(header, lines)


def chips(rows: Sequence[Row]) -> str:
    """Networks trained for chips beside others of the same size: do they fit, their accuracy, their hops."""
    (shared,) = (key for key in rows[0] if key.startswith("map --") and "--target" in key and key.endswith(".hops"))
    lines = []
    for (name, strength), trials in groups(rows).items():
        fits = [row.get("train.chip.fits", "") for row in trials]
        unseen = [number(row, "analyze.accuracy") for row in trials]

        def average(column: str, digits: int, trials: Sequence[Row] = trials) -> str:
            return show(mean(number(row, column) for row in trials), digits)

        lines.append(
            [
                name,
                "–" if name.startswith("none") else f"{strength:g}",
                str(len(trials)),
                ", ".join(sorted({row.get("train.chip.weight_bits", "") for row in trials})) or "–",
                f"{fits.count('True')} of {len(fits)}" if any(fits) else "–",
                f"{average('train.accuracy', 4)}, {mean(unseen):.4f} ({min(unseen):.4f}–{max(unseen):.4f})",
                average("prune.synapses_after", 0),
                average("prune.neurons_after", 0),
                average("map.hops", 1) if any(fits) else "–",
                average(shared, 1),
            ]
        )
    header = ["method", "λ", "seeds", "weight bits", "fit as trained", "accuracy after training, on unseen trials"]
    on = shared.removeprefix("map ").removesuffix(".hops")
    return markdown([*header, "synapses", "neurons", "hops on its own target", f"hops, `{on}`"], lines)
