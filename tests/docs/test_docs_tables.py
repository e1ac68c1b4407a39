"""The tables of docs/ are what their script makes of the committed results."""

from __future__ import annotations

import csv
import importlib
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from neuromod.sweeping import plan_names


def script(name="sweep_tables"):
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def row(method, strength, seed, accuracy, length, hops):
    return {
        "method": method,
        "strength": str(strength),
        "seed": str(seed),
        "status": "done",
        "train.seconds": "1800",
        "train.accuracy": str(accuracy + 0.005),
        "prune.accuracy_before": str(accuracy),
        "prune.accuracy_after": str(accuracy - 0.001),
        "prune.sparsity": "0.95",
        "prune.synapses_after": "100",
        "prune.neurons_after": "50",
        "analyze.accuracy": str(accuracy),
        "analyze.wiring_length": str(length),
        "analyze.isolated_ratio.z": "-4",
        "analyze.within_cluster_squares.z": "-2",
        "analyze.within_cluster_distance.z": "-3.5",
        "analyze.far_to_near_weight": "0.1",
        "analyze.importance_gap.decades": "3",
        "map --cores 4x4 --placer tiles.hops": str(hops),
        "map --cores 4x4 --placer annealing.hops": str(hops / 2),
    }


ROWS = [
    row("none", 0.4, 0, 0.960, 40000, 400),
    row("none", 0.4, 1, 0.964, 42000, 420),
    row("l1", 0.1, 0, 0.962, 9000, 200),
    row("l1", 0.3, 0, 0.950, 4000, 100),
    row("bimt", 0.1, 0, 0.966, 3000, 120),
    row("bimt", 0.1, 1, 0.970, 3200, 130),
    row("bimt", 0.4, 0, 0.944, 900, 40),
    row("bimt", 1.6, 0, 0.920, 300, 10),
]


def test_methods_are_compared_at_matched_error():
    module = script("sweep_views")
    found = module.groups(ROWS)
    assert module.best(found, "none", module.error) == pytest.approx(0.038)
    # Within 0.038 + 0.02: λ = 0.1 and 0.4 of bimt, not 1.6.
    length, error = module.matched(found, "bimt", 0.058, lambda r: float(r["analyze.wiring_length"]))
    assert (length, round(error, 3)) == (900, 0.056)
    assert module.matched(found, "bimt", 0.01, module.error) is None
    lines = module.claims(ROWS)
    assert "bimt 900, l1 4,000, none 41,000 (1/4.4 of L1, 1/46 of none) | yes" in lines
    squares = "| z, squared distances within clusters | BIMT ≤ −3 in every seed |"
    assert f"{squares} bimt at its λ of least error, 0.1: -2.0, -2.0;" in lines
    assert lines.count("**no**") == 1
    hops = module.hops_at_error(ROWS)
    assert "| ≤ 0.0580 | bimt | 40.0 (error 0.0560) | 20.0 (error 0.0560) |" in hops


def test_the_abstract_is_held_against_the_networks_claim_by_claim():
    module = script("sweep_words")
    of_all = {"analyze.silhouette": "0.3", "analyze.functional_modularity.z": "4", "analyze.active_neurons": "50"}
    at_chance = dict.fromkeys((f"analyze.{key}.z" for key in module.IN_SPACE), "0.5")
    rows = [one | of_all | (at_chance if one["method"] == "none" else {}) for one in ROWS]
    lines = module.claims_of_the_abstract(rows).splitlines()
    held = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[-1].removesuffix(" |") for line in lines}
    assert held["but not anatomically: clusters are not places"] == "yes"
    # -2 of the squares is not enough.
    assert held["with BIMT both emerge together: similar neurons are localised"] == "**not in every seed**"
    assert held["superior performance to L1 and to no penalty"] == "yes"
    assert held["promise for neuromorphic computing"] == "yes"
    assert "| bimt 20.0, l1 50.0, none 205.0 |" in next(line for line in lines if "hops a step" in line)


def test_hops_are_compared_at_equal_accuracy():
    module = script("sweep_views")
    column = "map --cores 4x4 --placer annealing.hops"
    found = module.groups([*ROWS, row("bimt", 3.0, 0, 0.930, 100, 60)])
    # λ = 3 has more error and more hops than λ = 0.4.
    points = module.front(found, "bimt", column)
    assert [(round(error, 3), hops) for error, hops in points] == [(0.032, 62.5), (0.056, 20.0), (0.08, 5.0)]
    assert module.at_error(points, 0.068) == pytest.approx(10.0)
    assert module.at_error(points, 0.01) is None
    assert module.at_error(points, 0.056) == pytest.approx(20.0)
    assert module.at_error(points, 0.5) == 5.0
    # Seed by seed: of seed 0, L1 has 50 hops at this error, BIMT 10 and none 200; of seed 1 BIMT has 65, L1 nothing.
    trained = [row("hops", 1.0, 0, 0.932, 500, 8), row("hops", 1.0, 1, 0.93, 500, 13), row("hops", 2.0, 1, 0.98, 1, 1)]
    lines = module.equal_accuracy(
        [*[r for r in ROWS if r["strength"] != "1.6"], row("bimt", 1.6, 0, 0.92, 300, 10), *trained]
    )
    assert "| annealing | 1 | 0.0690 | 5.2 | 0.10 (0.08, –) | 0.56 (0.40, 0.10) | 0.03 (0.02, 0.03) |" in lines
    assert "| annealing | 2 | 0.0200 | 0.5 | – (–) | – (–) | – (–) |" in lines


def test_parts_left_out_stand_beside_the_curve_at_their_error():
    module = script("sweep_views")
    curve = [row("hops", 0.2, 0, 0.96, 1, 80), row("hops", 0.8, 0, 0.94, 1, 20)]
    variant = {**row("hops", 0.8, 0, 0.95, 1, 60), "wiring.swap_every": "0"}
    # Half of 60 beside the geometric mean of 40 and 10 at the error between the two.
    assert module.parts_left_out([*curve, variant]).splitlines()[2:] == [
        "| hops, swap_every = 0 | 0.8 | 1 | 30.0 at 0.0500; 1.50 |"
    ]


def test_networks_for_chips_stand_beside_others():
    module = script("sweep_views")
    shared = "map --cores 4x4 --target loihi1.hops"
    rounded = {"wiring.cost": "energy", "chip.target": "loihi1", "train.chip.weight_bits": "9"}
    rows = [
        {**row("energy", 0.4, 0, 0.97, 500, 8), **rounded, "train.chip.fits": "True", "map.hops": "8", shared: "8"},
        {**row("energy", 0.4, 1, 0.96, 500, 8), **rounded, "train.chip.fits": "False", "map.hops": "10", shared: "11"},
        {**row("none", 0.4, 0, 0.98, 9000, 8), "train.chip.fits": "", "map.hops": "700", shared: "800"},
    ]
    lines = module.chips(rows).splitlines()
    assert lines[2].startswith("| energy, target = loihi1 | 0.4 | 2 | 9 | 1 of 2 | 0.9700, 0.9650 (0.9600–0.9700) |")
    assert lines[2].endswith("| 9.0 | 9.5 |")
    # Hops on another grid at another capacity would not be comparable.
    assert lines[3].startswith("| none | – | 1 | – | – |")
    assert lines[3].endswith("| – | 800.0 |")


def test_a_sweep_is_taken_in_parts(tmp_path, monkeypatch):
    module = script()
    monkeypatch.setattr(module, "FOLDER", tmp_path / "tables")
    (tmp_path / "pareto.toml").write_text(
        'name = "pareto"\n[[grid]]\n"wiring.strength" = [0.1, 0.4, 1.6]\nseed = [0, 1]\n', encoding="utf-8"
    )
    names = [trial.name for trial in module.read_plan(tmp_path / "pareto.toml").trials]
    bimt = [{"trial": name, "group": name[:8], **ROWS[4 + k % 4]} for k, name in enumerate(names)]

    def take(*rows, on="a laptop"):
        with (tmp_path / "table.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        (tmp_path / "table.json").write_text(json.dumps({"name": "pareto"}))
        module.take(tmp_path, on, tmp_path)
        return module.read("pareto")

    # Two parts, the later one first in the plan; a crashed trial, one of another plan and one taken twice.
    take(bimt[3], bimt[4], {**bimt[5], "status": "crashed"}, {**bimt[0], "trial": "bimt-9-seed0-00000000"})
    rows = take(bimt[0], {**bimt[4], "train.accuracy": "0.5"}, on="a server")
    assert [row["trial"] for row in rows] == [names[0], names[3], names[4]]
    assert rows[2]["train.accuracy"] == "0.5"
    assert module.names() == ["pareto"]
    text = module.render("pareto")
    assert text.startswith(
        "3 trials of 6 planned of `neuromod sweep pareto`, 1.5 hours of training on a laptop and a server, "
    )
    assert (tmp_path / "tables" / "pareto.svg").read_text(encoding="utf-8").count("<svg") == 1


@pytest.mark.parametrize("name", script().names())
def test_the_committed_tables_are_what_the_script_makes(name):
    module = script()
    assert (module.FOLDER / f"{name}.md").read_text(encoding="utf-8") == module.render(name)
    assert name in plan_names()


def test_the_claims_of_the_abstract_are_held_against_the_sweep_at_its_size():
    module = script()
    assert (module.FOLDER / "abstract.md").read_text(encoding="utf-8") == module.words()


def test_the_table_of_advice_is_what_its_refusals_came_to():
    module = script("bench_advice")
    rows = [row for _, row in sorted(module.TABLE.read()["rows"].items())]
    text = (script("tables").FOLDER / "advice.md").read_text(encoding="utf-8")
    assert text == module.TABLE.text(*module.parts(rows))
    assert sum(row["refusals"] for row in rows) == 500
    ends = {key.rsplit(": ")[-1] for row in rows for key in row["ends"]}
    assert ends <= {"fits", "nothing"}


def test_the_table_of_connectomes_is_that_of_its_rows():
    made = script("bench_connectomes")
    text = (made.FOLDER / "connectomes.md").read_text(encoding="utf-8")
    assert text == made.TABLE.text(made.table())
    for row in made.TABLE.read()["rows"].values():
        assert row["beyond_limits"] == []


def test_connectomes_are_read_as_senders_and_receivers(tmp_path):
    made = script("bench_connectomes")
    assert [read(tmp_path) for read in made.NETWORKS.values()] == [None] * 3
    # Two neurons and a muscle, which sends nothing and is left out.
    held = {"nodes": ["A", "M", "B"], "connections": {"Generic_CS": [[0, 2, 3], [0, 0, 0], [0, 1, 4]]}}
    with zipfile.ZipFile(tmp_path / "cect-0.3.5-py3-none-any.whl", "w") as wheel:
        wheel.writestr("cect/cache/Cook2019HermReader.json", json.dumps(held))
    # Row = receiver, column = sender.
    assert made.worm(tmp_path).w_rec.toarray().tolist() == [[0, 0], [3, 4]]
    (tmp_path / "unmatched_full_edgelist.csv").write_text("29,7,9.0\n7,31,2.0\n")
    assert made.larva(tmp_path).w_rec.toarray().tolist() == [[0, 0, 0], [9, 0, 0], [0, 2, 0]]
    (tmp_path / "graspologic" / "datasets" / "drosophila").mkdir(parents=True)
    (tmp_path / "graspologic" / "datasets" / "drosophila" / "right_adjacency.csv").write_text("0 5\n0 0\n")
    assert made.mushroom_body(tmp_path).w_rec.toarray().tolist() == [[0, 0], [5, 0]]


DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_a_table_that_has_a_figure_shows_it_first():
    shown = set()
    for page in [*DOCS.glob("*.md"), *DOCS.glob("tutorials/*.md")]:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"```{include} (?:\.\./)?tables/(\w+)\.md", text):
            if (DOCS / "tables" / f"{found[1]}.svg").exists():
                assert f"tables/{found[1]}.svg)" in text[: found.start()], (page.name, found[1])
                shown.add(found[1])
    assert set(script("table_plots").DRAW) <= shown


@pytest.mark.parametrize("name", script("table_plots").DRAW)
def test_a_figure_is_drawn_of_the_rows_of_its_table(name):
    rows = script("tables").Table(name, "").read()["rows"]
    figure = script("table_plots").DRAW[name](rows)
    marks = sum(len(axes.patches) + sum(len(line.get_xdata()) for line in axes.lines) for axes in figure.axes)
    # A row of advice is a seed; some rows of the others are of other tables.
    assert marks >= {"advice": 12}.get(name, 0.5 * len(rows))
    assert marks > 1


def test_figures_say_what_the_rows_say():
    plots = script("table_plots")
    chip = {"verified": True, "decision_agreement": 0.9, "decision_agreement_95": [0.8, 0.95], "trials": 20}
    rows = {"a": {**chip, "bit_equal": 20}, "b": {**chip, "bit_equal": 19}, "faults": {"caught": 3}}
    (axes,) = plots.chips(rows).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in axes.texts][:2] == ["20 of 20", "19 of 20"]
    assert axes.lines[0].get_color() != axes.lines[-1].get_color()
    many = {"a": {"ours": 9, "DEFAULT": 12, "QUALITY": 10}, "b": {"ours": 11, "DEFAULT": 10, "QUALITY": 20}}
    (axes,) = plots.many_chips(many).axes
    assert [round(bar.get_x() + bar.get_width(), 9) for bar in axes.patches] == [0.9, 1.1]
