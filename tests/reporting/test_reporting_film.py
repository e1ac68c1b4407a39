"""The film in the report: what it holds, how large it is, and what becomes of a broken one."""

import base64
import json
import re

import numpy as np
import pytest

from neuromod import reporting
from neuromod.reporting.findings import gather
from neuromod.reporting.sections import film as section
from neuromod.training import frames


@pytest.fixture(scope="module")
def run(tmp_path_factory, full_run, local_network):
    # 20 x 20 neurons, of which each frame has its 3,000 strongest connections.
    return full_run(tmp_path_factory.mktemp("runs") / "run", local_network(20), verify=False)


def told(page):
    found = re.search(r'<script type="application/json" id="film-data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def test_a_run_without_frames_has_no_film(run):
    reporting.write(run)
    page = run.file(reporting.FILE).read_text()
    assert 'id="film-data"' not in page
    assert "The training as a film" not in page


def test_400_neurons_are_less_than_a_megabyte(run, film_of):
    film = film_of(20, frames.MOST_FRAMES)
    frames.save(run.file(frames.FILE), film)
    read = reporting.write(run)
    page = run.file(reporting.FILE).read_text()
    assert len(page.encode()) < 1_000_000
    # A film that is drawn anew makes the report stale.
    assert frames.FILE in read
    data = told(page)
    assert len(data["frames"]) == 40
    # Every neuron is where the frame has it: places of the drawing are places of the plane, scaled.
    places = np.array(data["places"]).reshape(-1, 2)
    at, shown = np.array(data["start"]), np.linspace(0, 149, 40).round().astype(int)
    for k, frame in zip(shown, data["frames"], strict=True):
        moves = np.array(frame["moves"], int).reshape(-1, 2)
        at[moves[:, 0]] = moves[:, 1]
        np.testing.assert_allclose(places[at], film.frames[k].positions * 640 / 19, atol=0.51)
        ends = np.concatenate([np.frombuffer(base64.b64decode(text), "<u2") for text in frame["lines"]]).reshape(-1, 2)
        strongest = np.stack([film.frames[k].source, film.frames[k].target], axis=1)[-500:]
        assert {tuple(pair) for pair in ends.tolist()} <= {tuple(pair) for pair in strongest.tolist()}
        assert f"Step {film.frames[k].step:,} of 1,490" in frame["words"]


def test_a_broken_film_is_told_and_the_rest_is_there(run):
    run.file(frames.FILE).write_bytes(b"broken <script>alert(1)</script>")
    reporting.write(run)
    page = run.file(reporting.FILE).read_text()
    assert "It cannot be shown: cannot read frames.safetensors" in page
    assert "alert(1)" not in page
    assert "Task loss, nat" in page
    run.file(frames.FILE).unlink()


def test_many_neurons_are_sampled(run, film_of):
    import dataclasses

    found = dataclasses.replace(gather(run), film=film_of(48, 30))
    made = section.film(found)
    data = json.loads(made["data"])
    assert len(data["start"]) == 1600
    assert len(data["frames"]) == 12
    assert "Drawn are 1,600 of 2,304 neurons" in made["caption"]
    assert len(made["data"]) + len(made["svg"]) < 500_000


def test_cores_are_drawn_below_the_neurons(run, film_of):
    import dataclasses

    made = section.film(dataclasses.replace(gather(run), film=film_of(6, 3, grouping="core")))
    assert made["svg"].count("<rect") == 4
    assert "the core on which they end" in made["caption"]


def test_clusters_are_those_of_the_analysis(run, film_of):
    """The page colours neurons in one way: the film takes the clusters of the pruned network, by its numbers."""
    import dataclasses

    findings = gather(run)
    film = film_of(20, 3)
    analysis = {"active": list(range(100)), "clusters": {"labels": [k % 6 for k in range(100)]}}
    found = dataclasses.replace(findings, film=film, analysis=analysis)
    wanted = np.full(400, -1)
    wanted[film.order[:100]] = np.arange(100) % 6
    np.testing.assert_array_equal(section._group(found, film), wanted)
