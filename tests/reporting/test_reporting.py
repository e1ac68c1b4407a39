import dataclasses
import html.parser
import itertools
import json
import math
import re
import shutil
from importlib import resources

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from neuromod import cli, reporting
from neuromod.errors import StageError, UsageError
from neuromod.hardware.grid import Grid
from neuromod.mapping.placement import Placement
from neuromod.reporting import numbers as words
from neuromod.reporting.figures import curves, plane, svg
from neuromod.reporting.findings import gather
from neuromod.reporting.page import render
from neuromod.reporting.sections import summary
from neuromod.runs.commands import COMMANDS
from neuromod.runs.run import Run, create


@pytest.fixture(scope="module")
def run(tmp_path_factory, full_run):
    return full_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def own_run(run, tmp_path):
    """A copy to break."""
    return Run(shutil.copytree(run.path, tmp_path / "run"))


@pytest.fixture(scope="module")
def text(run):
    reporting.write(run)
    return run.file(reporting.FILE).read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page; refuses tags that do not close."""

    VOID = ("meta", "link", "br", "input", "img", "hr")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def test_the_page_is_one_file_that_needs_no_other(text):
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("img", "iframe", "object", "embed", "video", "audio", "base", "form"), tag
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "data:,", (tag, value)
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert "http://" not in text
    assert "https://" not in text


def test_only_the_own_script_may_run_and_nothing_may_be_fetched(text):
    import base64
    import hashlib

    (policy,) = [a["content"] for t, a in Page(text).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_section_is_linked_and_titled(text):
    page = Page(text)
    ids = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    links = [a["href"][1:] for t, a in page.tags if t == "a" and "href" in a]
    assert links == ["main", *ids]
    assert len(ids) == len(set(ids)) == 8


def test_the_figures_of_the_run_stand_on_it(run, text):
    said = " ".join(Page(text).words)
    prune = run.result("prune")
    assert words.percent(prune["accuracy_after"]) in said
    assert f"{prune['synapses_after']:,} of {prune['synapses_before']:,} recurrent synapses" in said
    for name, value in prune["accuracy_per_task"].items():
        assert name in said
        assert words.percent(value) in said
    estimate = run.result("estimate")
    assert words.count(estimate["hops_per_step"]) in said
    assert words.count(estimate["shuffled"]["hops_per_step"]) in said
    assert "estimate" in said
    for step in ("train", "prune", "map", "estimate", "export-onnx", "verify"):
        assert COMMANDS[step] in said
    for version in run.manifest()["versions"].values():
        assert version in said


def test_equal_runs_give_equal_bytes(run):
    once = render(gather(run), run_name="run")
    assert once == render(gather(run), run_name="run")


def test_a_run_without_any_stage_names_the_commands(tmp_path):
    run = create("nothing", tmp_path / "run")
    assert reporting.write(run) == ()
    said = " ".join(Page(run.file(reporting.FILE).read_text()).words)
    for step in ("train", "map", "estimate", "export-onnx", "verify", "prune"):
        assert COMMANDS[step] in said
    assert "not in this run yet" in said


def test_a_stale_stage_is_not_shown_but_named(own_run):
    run = own_run
    accuracy = words.percent(run.result("prune")["accuracy_after"])
    with run.file("network.safetensors").open("ab") as file:
        file.write(b" ")
    reporting.write(run)
    said = " ".join(Page(run.file(reporting.FILE).read_text()).words)
    assert "out of date" in said
    assert "network.safetensors has changed" in said
    assert accuracy not in said


def test_the_report_becomes_stale_when_a_stage_runs_again(own_run):
    run = own_run
    CliRunner().invoke(cli.group, ["report", "--run", str(run.path)], catch_exceptions=False)
    assert run.state("report") == ("fresh", "")
    run.file("metrics.jsonl").write_text("")
    assert run.state("report")[0] == "stale"


def test_an_imported_network_without_positions_is_shown(tmp_path, local_network):
    run = create("mine", tmp_path / "run")
    network = local_network(6, positions=None, info={})
    network.save(run.file("network.safetensors"))
    run.record("import", arguments={}, seconds=0.1, inputs=[], outputs=["network.safetensors"], result={})
    reporting.write(run)
    said = " ".join(Page(run.file(reporting.FILE).read_text()).words)
    assert "imported recurrent network of 36 neurons" in said
    assert "has no positions" in said


HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\'"&\x00\x1b[2J'


def test_hostile_texts_stay_texts(own_run):
    run = own_run
    content = json.loads(run.file("run.json").read_text())
    content["label"] = content["created"] = HOSTILE
    content["versions"] = {HOSTILE: HOSTILE}
    content["steps"]["prune"]["result"]["accuracy_per_task"] = {HOSTILE: 0.5}
    content["steps"]["train"]["arguments"] = {HOSTILE: HOSTILE}
    content["steps"]["verify"]["result"]["onnx"]["reason"] = HOSTILE
    run.file("run.json").write_text(json.dumps(content))
    reporting.write(run)
    text = run.file(reporting.FILE).read_text(encoding="utf-8")
    found = Page(text)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert "<img" not in text
    assert "\x00" not in text


def test_results_that_lack_keys_are_unknown_not_zero(own_run):
    run = own_run
    content = json.loads(run.file("run.json").read_text())
    for step in content["steps"].values():
        step["result"] = {}
    run.file("run.json").write_text(json.dumps(content))
    reporting.write(run)
    said = " ".join(Page(run.file(reporting.FILE).read_text()).words)
    assert "unknown" in said


def test_half_a_line_of_metrics_is_passed_over(own_run):
    run = own_run
    lines = run.file("metrics.jsonl").read_text().splitlines()
    run.file("metrics.jsonl").write_text("\n".join(lines) + '\n{"step": 61, "lo')
    assert len(gather(run).metrics) == len(lines)


def test_a_broken_artefact_is_one_clear_error(own_run):
    from neuromod.files import sha256

    run = own_run
    reporting.write(run)
    run.file("traffic.json").write_text('{"schema": "neuromod/traffic/1", "per_core": [], "links": {}}')
    content = json.loads(run.file("run.json").read_text())
    content["steps"]["estimate"]["outputs"]["traffic.json"] = sha256(run.file("traffic.json"))
    run.file("run.json").write_text(json.dumps(content))
    before = run.file(reporting.FILE).read_bytes()
    with pytest.raises(UsageError, match=r"neuromod\.estimate"):
        reporting.write(run)
    assert run.file(reporting.FILE).read_bytes() == before


@pytest.mark.parametrize("density", [0.05, 1.0])
def test_at_400_neurons_it_stays_below_a_megabyte(tmp_path, full_run, local_network, density):
    rng = np.random.default_rng(0)
    w_rec = np.where(rng.random((400, 400)) < density, rng.normal(scale=0.01, size=(400, 400)), 0)
    run = full_run(tmp_path / "run", local_network(20, w_rec=w_rec), verify=False)
    reporting.write(run)
    assert run.file(reporting.FILE).stat().st_size <= 1_000_000


# The command


def test_report_json(run):
    done = CliRunner().invoke(cli.group, ["report", "--run", str(run.path), "--json"])
    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert result == {"report": str(run.file("report.html")), "bytes": run.file("report.html").stat().st_size}
    assert not re.search(re.escape(str(run.path.parent)), run.file("report.html").read_text())


def test_report_without_a_run(tmp_path):
    done = CliRunner().invoke(cli.group, ["report", "--run", str(tmp_path)])
    assert isinstance(done.exception, StageError)
    assert list(tmp_path.iterdir()) == []


# The plane


def two_cores(network):
    core_of = (np.arange(network.n) >= network.n // 2).astype(int)
    return Placement(Grid(1, 2), core_of, network.n, "generic-mesh", "tiles", 0, network.sha256())


def test_nodes_lie_where_the_network_says(local_network):
    network = local_network(4)
    drawn = plane.plane_of(network, None, None)
    assert drawn.where == "trained"
    np.testing.assert_allclose(drawn.at * 3, network.positions)
    assert np.isnan(drawn.rate).all()


def test_lines_are_the_synapses(local_network):
    network = local_network(5)
    drawn = plane.plane_of(network, two_cores(network), np.full(25, 0.25))
    again = np.zeros((25, 25))
    again[drawn.target, drawn.source] = drawn.weight
    np.testing.assert_array_equal(again, network.w_rec.toarray().astype(np.float64))
    figure = plane.draw_plane(drawn)
    lines = "".join(path.get("d") for path in figure.iter("path"))
    assert lines.count("M") == int((drawn.source != drawn.target).sum())
    circles = list(figure.iter("circle"))
    assert len(circles) == 25
    loops = network.w_rec.diagonal() != 0
    assert [("self" in circle.get("class")) for circle in circles] == loops.tolist()
    assert circles[0].find("title").text.startswith("Neuron 0 · core (0, 0) · active in 25.0")


def test_lines_end_at_their_neurons(local_network):
    network = local_network(5)
    drawn = plane.plane_of(network, None, None)
    figure = plane.draw_plane(drawn)
    at = np.array([[float(c.get("cx")), float(c.get("cy"))] for c in figure.iter("circle")])
    for path in figure.iter("path"):
        for x, y, dx, dy in re.findall(r"M(-?\d+) (-?\d+)q-?\d+ -?\d+ (-?\d+) (-?\d+)", path.get("d")):
            start, end = np.array([x, y], float), np.array([x, y], float) + np.array([dx, dy], float)
            assert np.abs(at[int(path.get("data-s"))] - start).max() <= 1
            assert np.abs(at - end).max(axis=1).min() <= 2


def test_the_strongest_connections_are_drawn(local_network):
    rng = np.random.default_rng(0)
    network = local_network(10, w_rec=rng.normal(size=(100, 100)))
    drawn = plane.plane_of(network, None, None)
    assert len(drawn.weight) == plane.MOST_CONNECTIONS < drawn.n_connections == 10_000
    left_out = np.sort(np.abs(network.w_rec.data))[: 10_000 - plane.MOST_CONNECTIONS].max()
    assert np.abs(drawn.weight).min() >= left_out


def test_many_neurons_are_gathered_in_cells_without_losing_any(local_network):
    from scipy import sparse

    n = 20_000
    rng = np.random.default_rng(0)
    w_rec = sparse.random_array((n, n), density=20 / n, rng=rng, format="csr")
    at = np.stack([np.arange(n) % 200, np.arange(n) // 200], axis=1)
    network = local_network(2, w_rec=w_rec, w_in=np.zeros((n, 1)), w_out=np.zeros((1, n)), bias=np.zeros(n),
                            bias_out=np.zeros(1), positions=at, info={})  # fmt: skip
    placement = two_cores(network)
    drawn = plane.plane_of(network, placement, rng.random(n))
    assert drawn.n <= 2 * plane.MOST_NEURONS
    assert drawn.members.sum() == n
    assert 0.4 < (drawn.rate * drawn.members).sum() / n < 0.6
    # No cell holds neurons of two cores.
    of_core = np.bincount(drawn.core, weights=drawn.members, minlength=2)
    np.testing.assert_array_equal(of_core, placement.neurons_on)
    assert len(svg.document(plane.draw_plane(drawn))) < 900_000


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_networks_can_be_drawn(local_network, n):
    network = local_network(1) if n == 1 else local_network(2, positions=np.zeros((4, 2)))
    figure = plane.draw_plane(plane.plane_of(network, None, np.zeros(network.n)))
    for circle in figure.iter("circle"):
        assert math.isfinite(float(circle.get("cx")))


def test_neighbouring_cores_differ_in_colour():
    grid = Grid(7, 5)
    colour = np.array([plane.core_colour(core, grid) for core in range(35)]).reshape(7, 5)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        a = colour[: 7 - down, max(0, -right) : 5 - max(0, right)]
        b = colour[down:, max(0, right) : 5 + min(0, right)]
        assert (a != b).all()
    assert set(colour.ravel()) == {0, 1, 2, 3}


# Colours that everybody can tell apart: Machado, Oliveira, Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1.

DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    value = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    lms = np.array(
        [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
         [0.0883024619, 0.2817188376, 0.6299787005]]
    ) @ np.clip(rgb, 0, 1)  # fmt: skip
    return np.array(
        [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
         [0.0259040371, 0.7827717662, -0.8086757660]]
    ) @ np.cbrt(lms)  # fmt: skip


def schemes():
    style = resources.files("neuromod.reporting").joinpath("page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.S)
    return [dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in blocks]


@pytest.mark.parametrize("scheme", [0, 1, 2])
@pytest.mark.parametrize("eye", list(DEFICIENCIES))
def test_the_colours_of_cores_can_be_told_apart(scheme, eye):
    colours = schemes()[scheme]
    seen = [oklab(np.array(DEFICIENCIES[eye]) @ linear(colours[f"k{k}"])) for k in range(4)]
    # About eight just noticeable differences.
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.15
    light = [linear(colours[name]) @ [0.2126, 0.7152, 0.0722] for name in ("paper", "k0", "k1", "k2", "k3")]
    for colour in light[1:]:
        # WCAG 2.2: graphics stand out 3:1.
        assert (max(colour, light[0]) + 0.05) / (min(colour, light[0]) + 0.05) >= 3


def test_print_and_light_share_their_colours():
    light, _, printed = schemes()
    assert {f"k{k}": printed[f"k{k}"] for k in range(4)} == {f"k{k}": light[f"k{k}"] for k in range(4)}


# Curves, numbers, texts


def test_a_curve_goes_through_its_points():
    figure = curves.draw_curve([0, 50, 100], [0.0, 0.5, 1.0], title="t", words=str)
    points = [tuple(map(float, p.split(","))) for p in figure.find("polyline").get("points").split()]
    (x0, y0), (x1, y1), (x2, y2) = points
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.02)
    assert y2 < y0


def test_a_logarithmic_curve_is_straight_for_an_exponential():
    step = np.arange(1, 2001)
    figure = curves.draw_curve(step, np.exp(-step / 200), title="t", words=str, logarithmic=True)
    points = np.array([p.split(",") for p in figure.find("polyline").get("points").split()], float)
    assert len(points) <= 242
    fitted = np.polyval(np.polyfit(points[:, 0], points[:, 1], 1), points[:, 0])
    np.testing.assert_allclose(points[:, 1], fitted, atol=0.05)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats()), max_size=30), st.booleans())
def test_any_metrics_can_be_drawn(points, logarithmic):
    points.sort()
    figure = curves.draw_curve(
        [p[0] for p in points], [p[1] for p in points], title="t", words=words.tidy, logarithmic=logarithmic
    )
    text = svg.document(figure)
    assert "nan" not in text.replace("nothing was logged", "")
    assert "inf" not in text


@given(st.text())
def test_any_text_stays_text_in_a_figure(text):
    from xml.etree import ElementTree as ET

    root = svg.figure(1, 1, text, text, class_="c")
    svg.element(root, "text", text)
    again = ET.fromstring(svg.document(root))
    assert [child.tag for child in again] == ["text"]
    assert (again[0].text or "").replace("\n", "") == svg.printable(text).replace("\n", "").replace("\r", "")


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_lie_in_the_range_and_are_round(low, width):
    high = low + width
    if not high > low or width < 1e-9 * abs(low):
        return
    found = svg.ticks(low, high)
    assert 1 <= len(found) <= 12
    assert all(low - 1e-6 * width <= tick <= high + 1e-6 * width for tick in found)


def test_logarithmic_ticks():
    assert svg.ticks(0.05, 30, logarithmic=True) == pytest.approx([0.1, 1, 10])
    assert svg.ticks(1, 8, logarithmic=True) == pytest.approx([1, 2, 5])


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (words.count(12345), "12,345"), (words.count(3.14159), "3.14"), (words.count(0.0312), "0.0312"),
        (words.count(0), "0"), (words.count(None), "unknown"), (words.count(math.nan), "unknown"),
        (words.count(True), "unknown"), (words.count(140.2), "140"), (words.count(99.96), "100"),
        (words.count(9.999), "10.0"), (words.count(1500.4), "1,500"),
        (words.count(1e-9), "1.0e-09"),
        (words.percent(0.9345), "93.5\u202f%"), (words.percent(None), "unknown"), (words.percent("x"), "unknown"),
        (words.scientific(2.1e-6), "2.1e-06"), (words.scientific(math.inf), "unknown"),
        (words.size(80213), "80.2\u00a0kB"), (words.size(999), "999\u00a0bytes"), (words.size(2.5e6), "2.5\u00a0MB"),
        (words.duration(0.44), "0.4\u00a0s"), (words.duration(59.7), "1\u00a0min 0\u00a0s"),
        (words.duration(301.2), "5\u00a0min 1\u00a0s"), (words.duration(7500), "2\u00a0h 5\u00a0min"),
        (words.duration(None), "unknown"),
        (words.ratio(10, 82), "1/8.2"), (words.ratio(0, 82), "none"), (words.ratio(82, 82), "×1.00"),
        (words.ratio(90, 60), "×1.50"), (words.ratio(1, 0), "unknown"), (words.ratio(None, 1), "unknown"),
    ],
)  # fmt: skip
def test_numbers_in_words(said, wanted):
    assert said == wanted


def test_a_summary_that_fails_verification_says_so(run):
    found = gather(run)
    verify = dataclasses.replace(
        found.stages["verify"],
        result={"onnx": {"verified": True, "passed": False, "decision_agreement": 0.5}, "passed": False},
    )
    found = dataclasses.replace(found, stages={**found.stages, "verify": verify})
    assert any("failed verification" in sentence for sentence in summary.sentences(found))
    assert summary.key_figures(found)[3]["figure"] == "no"


def test_fan_in_counts_the_inputs_as_the_limits_do(full_run, tmp_path):
    from neuromod.hardware.resources import synapses_of_neurons
    from neuromod.reporting import findings
    from neuromod.reporting.sections import network as sections

    found = findings.gather(full_run(tmp_path / "run", verify=False))
    plane = sections.plane(found)
    fan = synapses_of_neurons(found.network)
    assert (fan["fan_in"] > np.diff(found.network.w_rec.indptr)).all()
    at = plane["header"].index("In")
    assert [int(row[at]) for row in plane["rows"]] == fan["fan_in"].tolist()
    assert f"{fan['fan_in'][0]:,} connections in (inputs included)" in plane["svg"]
