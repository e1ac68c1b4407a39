"""Parts of the report on function, limits, sweeps, and runs side by side."""

import base64
import dataclasses
import json
import re
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

from neuromod import cli, reporting
from neuromod.errors import UsageError
from neuromod.exporting import FORMATS
from neuromod.files import write_json
from neuromod.hardware import Grid
from neuromod.mapping import Placement
from neuromod.reporting import comparison
from neuromod.reporting.figures import frontier
from neuromod.reporting.figures import task_variance as function
from neuromod.reporting.figures.plane import plane_of
from neuromod.reporting.findings import gather
from neuromod.reporting.sections import hardware, summary
from neuromod.reporting.sections import limits as room
from neuromod.reporting.sections import network as sections


@pytest.fixture
def run(full_run, solver_network, tmp_path):
    return full_run(tmp_path / "sweep" / "trials" / "a", solver_network, verify=False)


def analyze(run, labels, tasks=("go", "anti")):
    n = gather(run).network.n
    active = np.flatnonzero(np.array(labels) >= 0)
    variance = np.zeros((n, len(tasks)))
    variance[active, np.arange(len(active)) % len(tasks)] = 1.0
    content = {
        "schema": "neuromod/analysis/1", "tasks": list(tasks), "task_variance": variance.tolist(),
        "active": active.tolist(), "clusters": {"labels": [labels[k] for k in active]},
    }  # fmt: skip
    write_json(run.file("analysis.json"), content)
    run.record("analyze", arguments={}, seconds=1, inputs=["pruned.safetensors"], outputs=["analysis.json"], result={})


def test_neurons_carry_their_functional_cluster(run):
    n = gather(run).network.n
    labels = [-1] + [k % 3 for k in range(n - 1)]
    analyze(run, labels)
    findings = gather(run)
    assert function.clusters_of(findings).tolist() == labels
    reporting.write(run)
    page = run.file("report.html").read_text()
    circles = re.findall(r'<circle [^>]*class="([^"]*)"[^>]*data-i', page)
    found = [re.search(r"\bf(\d)", c) and int(re.search(r"\bf(\d)", c)[1]) for c in circles]
    # In the plane, in the order of the neurons; then inside their cores.
    assert found[:n] == [None if k < 0 else k for k in labels]
    assert Counter(found[n:]) == Counter(k for k in labels if k >= 0)
    assert "functional cluster 2" in page
    assert 'id="by-cluster" >' in page.replace('id="by-cluster">', 'id="by-cluster" >')


def test_the_map_of_task_variance_is_a_picture_of_the_numbers(run):
    n = gather(run).network.n
    analyze(run, [k % 2 for k in range(n)])
    drawn = function.variance_map(gather(run))
    from matplotlib import image

    data = re.search(r"base64,([A-Za-z0-9+/=]+)", drawn["svg"])[1]
    import io

    pixels = image.imread(io.BytesIO(base64.b64decode(data)))
    assert pixels.shape[:2] == (2, n)
    bright = pixels[..., :3].sum(axis=2)
    # Each neuron varies in one task alone.
    assert ((bright > bright.mean()).sum(axis=0) == 1).all()


def test_an_analysis_of_another_network_is_refused(run):
    n = gather(run).network.n
    analyze(run, [0] * n)
    content = json.loads(run.file("analysis.json").read_text())
    content["active"][0] = 10**6
    write_json(run.file("analysis.json"), content)
    run.record("analyze", arguments={}, seconds=1, inputs=[], outputs=["analysis.json"], result={})
    with pytest.raises(UsageError, match=r"neuromod\.analyze"):
        reporting.write(run)


def test_bins_take_the_cluster_of_most_of_their_neurons(local_network):
    network = local_network(45)
    labels = (np.asarray(network.positions)[:, 0] > 22).astype(np.int64)
    plane = plane_of(network, None, None, labels)
    assert plane.n < network.n
    assert ((plane.at[:, 0] > 0.55) <= (plane.cluster == 1)).all()
    assert ((plane.at[:, 0] < 0.45) <= (plane.cluster == 0)).all()


def test_limits_say_what_is_left(run):
    found = gather(run)
    rows = {row[0]: row for row in room.limits(found)["rows"]}
    most = int(found.placement.neurons_on.max())
    _, needed, limit, left, _ = rows["neurons of a core"]
    assert (int(needed), int(limit), int(left)) == (
        most, found.placement.neurons_per_core, found.placement.neurons_per_core - most,
    )  # fmt: skip
    # The generic mesh has no limit on the memory of a core, nor does it say what a synapse takes of it.
    assert rows["synapse memory of a core, bit"][1:3] == ("unknown", "none")


def test_the_busiest_cores_stand_by_themselves(run):
    found = gather(run)
    listed = hardware.cores(found)["busiest"]
    loads = {f"({core['row']}, {core['column']})": core["load"] for core in found.traffic["per_core"]}
    first = max(loads, key=loads.get)
    assert listed["words"].startswith(f"The busiest core, {first}, has a load of ")
    shown = [row[0] for row in listed["rows"]]
    assert shown == sorted((name for name in loads if loads[name] > 0), key=lambda name: -loads[name])[:5]
    assert [len(row) for row in listed["rows"]] == [len(listed["header"])] * len(shown)


def test_one_core_has_no_links_and_no_busiest(run):
    found = gather(run)
    single = Placement(
        core_of=np.zeros(found.network.n, np.int64), grid=Grid(1, 1), neurons_per_core=found.network.n,
        placer="tiles", seed=0, target="generic-mesh", network_sha256="",
    )  # fmt: skip
    links = {name: [0.0] for name in ("east", "west", "south", "north")}
    core = {"packets_sent_per_step": 0.0, "packets_received_per_step": 0.0, "load": 3.0}
    traffic = {"per_core": [core], "links": links, "busiest_core": {"row": 0, "column": 0, "weights": {}}}
    drawn = hardware.cores(dataclasses.replace(found, placement=single, traffic=traffic))
    assert drawn["busiest"] is None
    assert drawn["caption"] == "One core holds every neuron, so no packet travels."
    none = dict.fromkeys(("hops_per_step", "packets_per_step"), 0.0)
    stage = dataclasses.replace(found.stages["estimate"], result={**none, "shuffled": none})
    said = sections.traffic(dataclasses.replace(found, stages={**found.stages, "estimate": stage}))
    assert said["words"] == "No packet travels between cores, wherever the neurons lie."
    assert said["rows"][0]["ratio"] == "none"


def test_integers_of_a_chip_are_said_to_be_equal_to_the_last_bit(run):
    part = {
        "verified": True, "passed": True, "simulator": "xylosim 0.1.3", "trials": 100, "bit_equal": 100,
        "trials_compared": 1000, "decision_agreement": 1.0, "reasons": [],
        "simulators": [{"simulator": "xylosim 0.1.3", "trials": 100, "bit_equal": 100}],
    }  # fmt: skip
    found = gather(run)

    def seen(part):
        stage = dataclasses.replace(found.stages["verify"], state="fresh", result={"xylo": part, "passed": True})
        given = dataclasses.replace(found, stages={**found.stages, "verify": stage})
        (row,) = hardware.verification(given)["rows"]
        return row, summary.sentences(given)[-1]

    row, said = seen(part)
    assert row["error"] == "none, bit for bit"
    assert row["remarks"] == "100 of 100 trials equal to the last bit in xylosim 0.1.3; decisions of 1,000 trials"
    assert said.endswith("; Xylo is equal to the last bit in xylosim 0.1.3.")
    one = {"simulator": "xylosim 0.1.3", "trials": 100, "bit_equal": 99}
    row, said = seen({**part, "passed": False, "bit_equal": 99, "simulators": [one], "reasons": ["1 trial differs"]})
    assert row["error"] == "not measured"
    assert row["remarks"].startswith("1 trial differs; 99 of 100 trials equal")
    assert "last bit" not in said


def test_data_count_by_their_test_trials(run):
    found = gather(run)
    network = dataclasses.replace(found.network, info={"data": {"name": "recordings.npz"}})
    given = dataclasses.replace(found, network=network)
    assert "on the validation trials of recordings.npz" in summary.sentences(given)[0]
    said = summary.sentences(given, {"score": 0.925})[0]
    assert said.endswith(
        "has 92.5\N{NARROW NO-BREAK SPACE}% of the answers right on the test trials of recordings.npz."
    )
    first = summary.key_figures(given, {"score": 0.925})[0]
    assert (first["figure"], first["note"]) == ("92.5\N{NARROW NO-BREAK SPACE}%", "on test trials")


def test_values_are_told_as_r2_and_not_as_accuracy(run):
    found = gather(run)
    network = dataclasses.replace(found.network, info={"data": {"name": "values.npz"}})
    train = dataclasses.replace(found.stages["train"], result={**found.result("train"), "score_name": "r2"})
    result = {**found.result("prune"), "accuracy_before": 0.987, "accuracy_after": 0.986}
    prune = dataclasses.replace(found.stages["prune"], state="fresh", result=result)
    part = {
        "verified": True,
        "passed": True,
        "decision_agreement": 0.9995,
        "accuracy": 0.983,
        "accuracy_reference": 0.984,
    }
    verify = dataclasses.replace(found.stages["verify"], state="fresh", result={"onnx": part, "passed": True})
    stages = {**found.stages, "train": train, "prune": prune, "verify": verify}
    given = dataclasses.replace(found, network=network, stages=stages)
    assert sections.pruning(given)[-1] == ("R²", "0.987", "0.986", "\N{MINUS SIGN}0.001")
    assert sections.pruning(found)[-1][0] == "accuracy"
    seen = hardware.verification(given)
    assert (seen["agree"], seen["score"]) == ("R² of its values beside the network's", "R²")
    assert [seen["rows"][0][key] for key in ("accuracy", "reference")] == ["0.983", "0.984"]
    assert "on test trials" in seen["caption"]
    said = summary.sentences(given, {"score": 0.98})
    assert "has an R² of 0.980 on the test trials of values.npz" in said[0]
    assert "with an R² of 1.000 (ONNX)" in said[-1] or "with an R² of 0.999 (ONNX)" in said[-1]
    assert "R² on training trials" in [curve["name"] for curve in sections.curves(given)]


def test_the_place_in_a_sweep(run, tmp_path):
    assert frontier.frontier(run.path) is None

    def row(name, error, wiring, kind):
        return {"trial": name, "regularizer": kind, "prune.accuracy_after": 1 - error, "train.wiring_length": wiring,
                "prune.neurons_after": 9}  # fmt: skip

    rows = [row("a", 0.05, 100, "bimt"), row("b", 0.04, 900, "l1"), row("c", 0.06, 200, "l1")]
    write_json(tmp_path / "sweep" / "table.json", {"schema": "neuromod/sweep/1", "trials": rows})
    found = frontier.frontier(run.path)
    assert "lies on the Pareto front" in found["words"]
    assert found["svg"].count("<title>") == 3
    rows[2] = row("c", 0.03, 90, "l1")
    write_json(tmp_path / "sweep" / "table.json", {"schema": "neuromod/sweep/1", "trials": rows})
    assert "1 of 3 trials" in frontier.frontier(run.path)["words"]
    reporting.write(run)
    assert "Among the trials of its sweep" in run.file("report.html").read_text()
    # A trial without any error has its place, too: no logarithm takes it away.
    rows[0] = row("a", 0.0, 100, "bimt")
    write_json(tmp_path / "sweep" / "table.json", {"schema": "neuromod/sweep/1", "trials": rows})
    perfect = frontier.frontier(run.path)
    assert perfect["svg"].count("<title>") == 3
    assert "error 0.0" in perfect["words"]
    assert "nan" not in perfect["svg"]
    # A broken table is not the run's fault.
    (tmp_path / "sweep" / "table.json").write_text("{")
    assert frontier.frontier(run.path) is None


def test_runs_side_by_side(run, full_run, local_network, tmp_path):
    other = full_run(tmp_path / "<b>", local_network(6), verify=False)
    out = tmp_path / "side.html"
    # A file that a pattern found beside the runs, as runs/latest.
    (tmp_path / "latest").write_text("b\n")
    runs = [str(run.path), str(tmp_path / "latest"), str(other.path)]
    done = CliRunner().invoke(cli.group, ["report", "--compare", *runs, "--out", str(out), "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "Left out" in done.stderr
    result = json.loads(done.stdout)
    assert result["report"] == str(out)
    table = {row["name"]: row["values"] for row in result["table"]}
    assert table["hops per step (estimate)"] == [r.result("estimate")["hops_per_step"] for r in (run, other)]
    page = out.read_text()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page.split("<tbody>")[0]
    assert page.count('class="plane"') == 2
    assert "not on the same cores, target and capacity" in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--compare"], "at least two runs"),
        (["--compare", "x", "--plot", "a.png"], "--compare takes"),
        (["x"], "--run PATH"),
    ],
)
def test_odd_ways_to_compare_are_refused(arguments, words, run):
    done = CliRunner().invoke(cli.group, ["report", *arguments])
    assert isinstance(done.exception, UsageError)
    assert words in str(done.exception)


def test_figures_that_do_not_compare_are_not_called_best(run, full_run, local_network, tmp_path):
    network = local_network(6)
    alike = full_run(tmp_path / "alike" / "a", network, verify=False)
    again = full_run(tmp_path / "again" / "a", network, verify=False)
    out = tmp_path / "side.html"
    comparison.write([alike, run], out)
    assert "not on the same cores, target and capacity" in out.read_text()
    assert "(best)" not in out.read_text()
    comparison.write([alike, again], out)
    assert "do not compare" not in out.read_text()
    # Runs of one name are told apart by their folders.
    assert "alike/a" in out.read_text()
    assert "again/a" in out.read_text()


def test_every_kind_of_export_is_listed(run):
    found = gather(run)
    files = {"files": [{"path": "exports/x", "bytes": 7}]}
    stages = {
        name: dataclasses.replace(stage, state="fresh", result=files) if name.startswith("export-") else stage
        for name, stage in found.stages.items()
    }
    rows = sections.exports(dataclasses.replace(found, stages=stages))
    assert [row[1] for row in rows] == [format.title for format in FORMATS.values()]


def test_what_could_not_be_verified_is_said(run):
    found = gather(run)
    parts = {
        "onnx": {"verified": False, "passed": False, "reason": "onnxruntime is not installed"},
        "nir": {"verified": True, "passed": True, "decision_agreement": 0.9},
    }
    stage = dataclasses.replace(found.stages["verify"], state="fresh", result={**parts, "passed": True})
    said = summary.sentences(dataclasses.replace(found, stages={**found.stages, "verify": stage}))[-1]
    assert "90.0" in said
    assert "not verified: ONNX" in said
    stage = dataclasses.replace(stage, result={"onnx": parts["onnx"], "passed": False})
    said = summary.sentences(dataclasses.replace(found, stages={**found.stages, "verify": stage}))[-1]
    assert said == "No export could be verified."


def test_clusters_have_a_key(run):
    n = gather(run).network.n
    analyze(run, [k % 3 if k else -1 for k in range(n)])
    reporting.write(run)
    page = run.file("report.html").read_text()
    key = page.split('class="shades')[1].split("</p>")[0]
    assert [f'class="f{k}"' in key for k in range(4)] == [True, True, True, False]
    assert "not active" in key


@pytest.mark.parametrize(
    ("after", "words"),
    [(0.9570, "at 0.05 points less accuracy"), (0.9580, "at 0.05 points more accuracy"),
     (0.9575, "at the same accuracy")],
)  # fmt: skip
def test_the_change_of_accuracy_is_that_of_the_table(run, after, words):
    found = gather(run)
    result = {**found.result("prune"), "accuracy_before": 0.9575, "accuracy_after": after}
    prune = dataclasses.replace(found.stages["prune"], state="fresh", result=result)
    assert words in " ".join(summary.sentences(dataclasses.replace(found, stages={**found.stages, "prune": prune})))
