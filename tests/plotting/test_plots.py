import dataclasses
import re
from importlib import resources

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from neuromod import cli
from neuromod.errors import StageError, UsageError
from neuromod.hardware import Grid, grown_on, route
from neuromod.mapping import Placement
from neuromod.plotting import overview as plots
from neuromod.reporting.figures.cores import arrange
from neuromod.reporting.figures.plane import plane_of
from neuromod.reporting.findings import gather
from neuromod.reporting.sections.hardware import cores_of
from neuromod.runs.run import create


@pytest.fixture(scope="module")
def run(tmp_path_factory, full_run):
    return full_run(tmp_path_factory.mktemp("runs") / "run", verify=False)


@pytest.fixture
def figure(run):
    return overview(run)


def overview(run):
    findings = gather(run)
    return plots.overview(plane_of(findings.network, findings.placement, findings.rates), cores_of(findings))


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_formats_and_equal_bytes(run, tmp_path, suffix, start):
    once, again = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    plots.save(overview(run), once)
    plots.save(overview(run), again)
    assert once.read_bytes().startswith(start)
    assert once.read_bytes() == again.read_bytes()


def test_another_format_is_refused_with_those_that_work(figure, tmp_path):
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        plots.save(figure, tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []


def test_everything_is_drawn(figure, run):
    left, right = figure.axes
    neurons = left.collections[-1]
    network = gather(run).network
    np.testing.assert_array_equal(len(neurons.get_offsets()), network.n)
    lines = left.collections[0]
    assert len(lines.get_paths()) == network.n_synapses - np.count_nonzero(network.w_rec.diagonal())
    cores = cores_of(gather(run))
    drawn = {part.get_label(): part for part in right.collections}
    assert len(drawn["cores"].get_paths()) == cores.grid.cores
    assert len(drawn["links"].get_paths()) == int((cores.link_load > 0).sum())


def arranged(grid, *, per_core=3, clusters=None, rates=None):
    """Cores with as many neurons each, and packets between neighbours alone."""
    rng = np.random.default_rng(0)
    core_of = np.repeat(np.arange(grid.cores), per_core).astype(np.int32)
    near = grid.distances() == 1
    packets = np.where(near, rng.random(near.shape), 0)
    placement = Placement(grid, core_of, per_core, "toy", "tiles", 0, "0" * 64)
    load = packets.sum(axis=0) + packets.sum(axis=1)
    return arrange(placement, load, route(packets, grid), clusters=clusters, rates=rates), packets


@pytest.mark.parametrize(("side", "corners"), [(4, 7), (16, 7), (17, 4), (64, 4)])
def test_cores_are_drawn_in_one_way_at_any_size(side, corners):
    cores, packets = arranged(Grid(side, side))
    axes = Figure().add_subplot()
    plots.draw_cores(axes, cores)
    drawn = {part.get_label(): part for part in axes.collections}
    assert len(drawn["cores"].get_paths()) == side**2
    links = drawn["links"].get_paths()
    # An arrow for each direction of a link; a head where it can be seen, and the first corner again at the end.
    assert len(links) == np.count_nonzero(packets) == 4 * side * (side - 1)
    assert {len(path.vertices) for path in links} == {corners + 1}
    # Each in the gap between its two cores, on the right of its way.
    at = cores.grid.coordinates()[:, ::-1]
    busy = cores.link_load > 0
    for path, a, b in zip(links, at[cores.source[busy]], at[cores.target[busy]], strict=True):
        middle, way = path.vertices[:-1].mean(axis=0) - a, b - a
        assert 0.37 < middle @ way < 0.63
        assert 0.05 < middle @ (-way[1], way[0]) < 0.13
    assert len(axes.texts) == (16 if side == 4 else 0)


def test_neurons_are_drawn_inside_their_cores():
    clusters = np.array([k % 5 - 1 for k in range(4 * 30)])
    cores, _ = arranged(Grid(2, 2), per_core=30, clusters=clusters, rates=np.arange(120) / 120)
    axes = Figure().add_subplot()
    plots.draw_cores(axes, cores, inside=True)
    neurons = next(part for part in axes.collections if part.get_label() == "neurons")
    off = neurons.get_offsets() - cores.grid.coordinates()[cores.inside.core, ::-1]
    assert np.abs(off).max() + cores.inside.radius < 0.35
    # No two at one place, and a cluster's neurons next to each other.
    assert len(np.unique(np.round(neurons.get_offsets(), 6), axis=0)) == 120
    for core in range(4):
        here = np.flatnonzero(cores.inside.core == core)
        order = here[np.lexsort((off[here, 0], np.round(off[here, 1], 6)))]
        assert (np.diff(clusters[order]) >= 0).all()
    colours = neurons.get_facecolors()
    from matplotlib.colors import to_rgba

    assert all(tuple(colours[i]) == to_rgba(plots.OKABE_ITO[c]) for i, c in enumerate(clusters) if c >= 0)
    # Too many for the eye: their number instead.
    assert arranged(Grid(2, 2), per_core=145)[0].inside is None
    assert arranged(Grid(11, 11))[0].inside is None


def test_cores_that_were_trained_for_are_squares_of_the_plane(local_network):
    chip = {"cores": "2x3", "tile": [1, 1], "block": [3, 2], "target": "generic-mesh"}
    network = local_network(6)
    network = dataclasses.replace(network, info={**network.info, "chip": chip})
    plane = plane_of(network, None, None)
    left, top, across, down = plane.squares.T
    assert len(plane.squares) == 6
    _, core_of = grown_on(network)
    for core in range(6):
        here = plane.at[core_of == core]
        assert (here > (left[core], top[core])).all()
        assert (here < (left[core] + across[core], top[core] + down[core])).all()
    assert plane.at.min() >= 0
    assert (plane.squares[:, :2] + plane.squares[:, 2:]).max() == pytest.approx(1)
    axes = Figure().add_subplot()
    plots.draw_plane(axes, plane)
    assert len(next(part for part in axes.collections if part.get_label() == "squares").get_paths()) == 6
    assert plane_of(local_network(6), None, None).squares is None


def test_colours_are_those_of_the_report():
    style = resources.files("neuromod.reporting").joinpath("page.css").read_text()
    assert tuple(re.search(rf"--k{k}: (#\w+);", style)[1] for k in range(4)) == plots.CORE_COLOURS


def test_the_command_draws(run, tmp_path):
    picture = tmp_path / "overview.svg"
    done = CliRunner().invoke(cli.group, ["report", "--run", str(run.path), "--plot", str(picture), "--json"])
    assert done.exit_code == 0, done.output
    assert picture.stat().st_size < 1_000_000
    assert f'"plot": "{picture}"' in done.stdout


def test_a_run_without_an_estimate_cannot_be_drawn(tmp_path):
    run = create("nothing", tmp_path / "run")
    done = CliRunner().invoke(cli.group, ["report", "--run", str(run.path), "--plot", str(tmp_path / "a.png")])
    assert isinstance(done.exception, StageError)
    assert "neuromod estimate" in str(done.exception)
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("grey", np.linspace(0, 1, 41))
def test_ink_stands_out_from_every_ground(grey):
    # WCAG 2.2, level AA: 4.5 to 1; matplotlib's own greys as the ground.
    linear = grey / 12.92 if grey <= 0.04045 else ((grey + 0.055) / 1.055) ** 2.4
    ratios = {"black": (linear + 0.05) / 0.05, "white": 1.05 / (linear + 0.05)}
    chosen = plots.ink_on((grey, grey, grey, 1.0))
    assert ratios[chosen] == max(ratios.values())
    assert ratios[chosen] >= 4.5


def test_text_in_a_pdf_is_kept_as_truetype(figure, tmp_path):
    plots.save(figure, tmp_path / "a.pdf")
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()
