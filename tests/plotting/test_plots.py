import re
from importlib import resources

import numpy as np
import pytest
from click.testing import CliRunner

from neuromod import cli
from neuromod.errors import StageError, UsageError
from neuromod.plotting import overview as plots
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
    assert len(right.patches) == cores.grid.cores + int((cores.link_load > 0).sum())


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
