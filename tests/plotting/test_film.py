"""The film as a file: its pictures, its size, its formats."""

import io
import os
import shutil
import stat

import numpy as np
import pytest
from PIL import Image

from neuromod.errors import UsageError
from neuromod.plotting import film as films
from neuromod.plotting.overview import CORE_COLOURS, OKABE_ITO
from neuromod.training import frames


@pytest.fixture(scope="module")
def film(film_of):
    return film_of(6, 5)


@pytest.fixture(scope="module")
def images(film):
    return list(films.pictures(film))


def opened(path):
    """Each picture of a GIF as an array of RGB, with its duration in ms."""
    with Image.open(path) as image:
        for k in range(image.n_frames):
            image.seek(k)
            yield np.asarray(image.convert("RGB")), image.info["duration"]


def test_a_gif_has_a_picture_for_each_frame_and_holds_the_last(film, images, tmp_path):
    told = []
    films.draw(film, tmp_path / "film.gif", on_frame=told.append)
    found = list(opened(tmp_path / "film.gif"))
    assert len(found) == len(film.frames) == len(told)
    assert told[-1] == 1
    assert found[-1][1] == 2000
    assert (tmp_path / "film.gif").stat().st_size <= films.MOST_BYTES
    for (pixels, _), image in zip(found, images, strict=True):
        # Of a palette of few colours, without noise.
        assert np.abs(pixels.astype(int) - np.asarray(image).astype(int)).mean() < 4
    assert not os.listdir(tmp_path)[1:]


def test_neurons_keep_their_colours_and_swap_places(film, images):
    """The pixel in the middle of a neuron has its colour, wherever it has gone."""
    from matplotlib.colors import to_rgb

    pixels = np.asarray(images[-1])
    drawn = {tuple(np.rint(255 * np.array(to_rgb(OKABE_ITO[k]))).astype(int)) for k in range(4)}
    found = {tuple(colour) for colour in pixels.reshape(-1, 3)}
    assert drawn <= found
    assert len({image.tobytes() for image in images}) == len(images)


def test_colours_are_of_cores_or_of_functions(film):
    import dataclasses

    group = np.arange(36) % 4
    by_core = dataclasses.replace(film, group=group, grouping="core", grid=(2, 2), block=(3, 3))
    from matplotlib.colors import to_rgba_array

    np.testing.assert_array_equal(films.colours_of(by_core), to_rgba_array([CORE_COLOURS[k] for k in group]))
    by_function = dataclasses.replace(film, group=group, grouping="function", grid=None, block=None)
    np.testing.assert_array_equal(films.colours_of(by_function), to_rgba_array([OKABE_ITO[k] for k in group]))
    plain = dataclasses.replace(film, group=None, grouping="")
    assert len(np.unique(films.colours_of(plain), axis=0)) == 1
    assert len(list(films.pictures(dataclasses.replace(by_core, frames=by_core.frames[:1])))) == 1


def test_a_film_that_is_too_large_loses_colours_then_frames(film, images, tmp_path, monkeypatch):
    films._write_gif(images, tmp_path / "whole.gif")
    whole = (tmp_path / "whole.gif").stat().st_size
    monkeypatch.setattr(films, "MOST_BYTES", int(0.7 * whole))
    films.draw(film, tmp_path / "small.gif")
    assert (tmp_path / "small.gif").stat().st_size <= 0.7 * whole
    last = list(opened(tmp_path / "small.gif"))[-1][0]
    assert np.abs(last.astype(int) - np.asarray(images[-1]).astype(int)).mean() < 8
    monkeypatch.setattr(films, "MOST_BYTES", 100)
    with pytest.raises(UsageError, match=r"needed at most"):
        films.draw(film, tmp_path / "none.gif")
    assert not (tmp_path / "none.gif").exists()


def test_what_cannot_be_drawn_is_refused(film, tmp_path):
    with pytest.raises(UsageError, match="GIF or MP4"):
        films.draw(film, tmp_path / "film.webm")
    with pytest.raises(UsageError, match="no pictures yet"):
        films.draw(frames.Film((), 10), tmp_path / "film.gif")
    assert list(tmp_path.iterdir()) == []


def pretended(folder, text):
    """Put a program of this name first in the path: it cannot make films, but it hears what it is told."""
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_mp4_hands_all_pictures_to_ffmpeg(film, images, tmp_path, monkeypatch):
    # The last of its words is the file; here it gets the raw pictures.
    monkeypatch.setenv("PATH", pretended(tmp_path / "bin", 'for last; do :; done; cat > "$last"'))
    monkeypatch.setattr(films, "MOST_BYTES", 10**9)
    films.draw(film, tmp_path / "film.mp4")
    raw = (tmp_path / "film.mp4").read_bytes()
    width, height = images[0].size
    pixels = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    np.testing.assert_array_equal(pixels[: len(images)], [np.asarray(image) for image in images])
    # The last picture stays for two seconds.
    assert len(pixels) == len(images) + 30
    assert (width % 2, height % 2) == (0, 0)


def test_what_ffmpeg_says_is_told(film, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", pretended(tmp_path / "bin", "cat > /dev/null; echo no encoder here >&2; exit 1"))
    with pytest.raises(UsageError, match="no encoder here"):
        films.draw(film, tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here")
def test_ffmpeg_makes_a_film(film, tmp_path):
    films.draw(film, tmp_path / "film.mp4")
    assert io.BytesIO((tmp_path / "film.mp4").read_bytes()).read(12)[4:8] == b"ftyp"
    assert (tmp_path / "film.mp4").stat().st_size <= films.MOST_BYTES
