"""The film of a training: neurons in the plane that swap places, connections that thin out, curves beside."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import replacing
from neuromod.plotting import overview
from neuromod.plotting.overview import CORE_COLOURS, INK, MUTED, OKABE_ITO, PAPER
from neuromod.reporting import core_colour, count, squares_of
from neuromod.training import Film, Frame

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.lines import Line2D
    from matplotlib.text import Text
    from PIL.Image import Image

MOST_BYTES = 4_000_000
_RATE, _HOLD_S = 15, 2.0
# The strongest connections of a frame are drawn, those that would be fainter than paper are not.
_MOST_LINES, _FAINTEST = 800, 0.02
_RULE, _NONE = "#dddcd5", "#b9b7ae"
# Colours of a GIF and every how many frames are kept, until it is small enough; qualities of an MP4.
_SMALLER = ((48, 1), (32, 1), (20, 1), (32, 2), (20, 2), (16, 3), (16, 5))
_WORSE = (20, 26, 32, 38, 45)


def draw(film: Film, path: Path, *, on_frame: Callable[[float], None] | None = None) -> None:
    """Write a film as GIF or MP4, by the end of the file's name; at most 150 frames and 4 MB.

    Parameters
    ----------
    film : Film
        Of a training.
    path : Path
        The file.
    on_frame : callable, optional
        Called with the share (0 … 1) of the frames that are drawn.

    Raises
    ------
    UsageError
        If it has no frame, the format is another one, ffmpeg is not there for MP4 or fails, or the file cannot be
        written.
    """
    if not film.frames:
        raise UsageError("the training kept no pictures yet, so there is no film to draw")
    suffix = path.suffix.lower()
    if suffix not in (".gif", ".mp4"):
        raise UsageError(f"cannot write {path}: a film is GIF or MP4, by the end of its name")
    images = []
    for number, image in enumerate(pictures(film), start=1):
        images.append(image)
        if on_frame:
            on_frame(number / len(film.frames))
    with replacing(path) as temporary:
        if suffix == ".gif":
            _write_gif(images, temporary)
        else:
            _write_mp4(images, temporary)


def pictures(film: Film) -> Iterator[Image]:
    """Draw each frame of a film, as pictures in RGB of equal size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(6.4, 4.0), dpi=100, facecolor=PAPER)
    # Matplotlib's canvas has no types.
    canvas: Any = FigureCanvasAgg(figure)
    stage = _Stage(film, figure)
    # Axes and their letters are drawn once.
    for artist in stage.moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    for k in range(len(film.frames)):
        stage.show(k)
        canvas.restore_region(still)
        for artist in stage.moving:
            figure.draw_artist(artist)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy())


class _Stage:
    """What is drawn anew in each frame, and how; axes and titles stay."""

    def __init__(self, film: Film, figure: Any) -> None:
        self.film, self.figure = film, figure
        self.colours = colours_of(film)
        # A few weights much larger than all others would leave these invisible.
        sizes = np.concatenate([np.abs(frame.weight.astype(np.float64)) for frame in film.frames])
        self.largest = float(np.quantile(sizes, 0.995)) if len(sizes) else 1.0
        axes = figure.add_axes((0.015, 0.02, 0.595, 0.9))
        self.lines, self.trails, self.neurons = _plane(axes, film)
        self.title: Text = figure.text(0.02, 0.945, "", fontsize=9, color=INK)
        self.dots: list[tuple[Line2D, Sequence[float]]] = []
        step = [frame.step for frame in film.frames]
        curves: tuple[tuple[str, list[float], bool], ...] = (
            ("λ, weight of the wiring cost", [frame.strength for frame in film.frames], False),
            ("accuracy on the batch", [frame.accuracy for frame in film.frames], False),
            ("recurrent connections", [float(frame.synapses) for frame in film.frames], True),
        )
        for k, (name, values, logarithmic) in enumerate(curves):
            axes = figure.add_axes((0.70, 0.715 - 0.31 * k, 0.28, 0.2))
            self.dots.append((_curve(axes, step, values, name, logarithmic), values))
        self.moving: list[Artist] = [self.lines, self.trails, self.neurons, self.title, *(dot for dot, _ in self.dots)]
        axes.set_xlabel("training step", fontsize=7, color=MUTED, labelpad=1)

    def show(self, k: int) -> None:
        """Draw frame k."""
        frame, at = self.film.frames[k], self.film.frames[k].positions
        size = np.minimum(np.abs(frame.weight.astype(np.float64)) / max(self.largest, 1e-12), 1)
        drawn = np.flatnonzero(size > _FAINTEST)[-_MOST_LINES:]
        size, source, target = size[drawn], frame.source[drawn].astype(np.int64), frame.target[drawn].astype(np.int64)
        shade = self.colours[source].copy()
        group = self.film.group
        if group is not None:
            shade[group[source] != group[target]] = _rgba(MUTED)
        shade[:, 3] = 0.04 + 0.72 * size
        self.lines.set(segments=np.stack([at[source], at[target]], axis=1), linewidths=0.25 + 1.9 * size, colors=shade)
        before = self.film.frames[max(k - 1, 0)].positions
        moved = np.flatnonzero((before != at).any(axis=1))
        self.trails.set(segments=np.stack([before[moved], at[moved]], axis=1), colors=self.colours[moved])
        self.neurons.set_offsets(at)
        self.title.set_text(_words(self.film, frame))
        for dot, values in self.dots:
            dot.set_data([frame.step], [values[k]])


def colours_of(film: Film) -> npt.NDArray[np.float64]:
    """Colour of each neuron, (n, 4) from 0 to 1: of the core on which it ends, or of its functional cluster."""
    from matplotlib.colors import to_rgba_array

    n = len(film.frames[0].positions)
    if film.group is None:
        names = [CORE_COLOURS[0]] * n
    elif film.grouping == "core" and film.grid is not None:
        from neuromod.hardware import Grid

        grid = Grid(*film.grid)
        names = [CORE_COLOURS[core_colour(core, grid)] if core >= 0 else _NONE for core in film.group.tolist()]
    else:
        names = [OKABE_ITO[k % len(OKABE_ITO)] if k >= 0 else _NONE for k in film.group.tolist()]
    found: npt.NDArray[np.float64] = np.array(to_rgba_array(names))
    return found


def _rgba(name: str) -> npt.NDArray[np.float64]:
    from matplotlib.colors import to_rgba

    return np.array(to_rgba(name))


def _words(film: Film, frame: Frame) -> str:
    coloured = {"core": ", coloured by the core they end on", "function": ", coloured by what they come to do"}
    return f"{count(len(frame.positions))} neurons{coloured.get(film.grouping, '')} · step {frame.step:,}"


def _plane(axes: Axes, film: Film) -> tuple[LineCollection, LineCollection, PathCollection]:
    from matplotlib.collections import LineCollection

    at = np.concatenate([frame.positions for frame in film.frames])
    low, high = at.min(axis=0) - 0.8, at.max(axis=0) + 0.8
    if film.grid is not None and film.block is not None:
        overview.draw_squares(axes, squares_of(film.grid, film.block))
        low = np.minimum(low, -0.7)
        high = np.maximum(high, np.multiply(film.grid, film.block)[::-1] - 0.3)
    axes.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal")
    axes.set_axis_off()
    lines, trails = LineCollection([]), LineCollection([], linewidths=2.2, alpha=0.45, capstyle="round")
    for collection in (lines, trails):
        axes.add_collection(collection)
    n = len(film.frames[0].positions)
    # Points: the square is 3.6 inches wide.
    size = (0.46 * 72 * 3.6 / float((high - low).max())) ** 2
    first = film.frames[0].positions
    neurons = axes.scatter(
        first[:, 0], first[:, 1], s=min(size, 90), c=colours_of(film), edgecolors=PAPER,
        linewidths=0.6 if n <= 1000 else 0, zorder=3,
    )  # fmt: skip
    return lines, trails, neurons


def _curve(axes: Axes, step: Sequence[int], values: Sequence[float], name: str, logarithmic: bool) -> Line2D:
    """Draw a quantity over the whole training, and return the dot that goes along."""
    axes.plot(step, values, color=MUTED, linewidth=1)
    (dot,) = axes.plot([step[0]], [values[0]], "o", color=OKABE_ITO[1], markersize=5)
    if logarithmic and min(values) > 0:
        from matplotlib.ticker import FuncFormatter, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(name, fontsize=8, color=INK, loc="left", pad=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_RULE)
    axes.set_facecolor(PAPER)
    axes.tick_params(labelsize=6.5, length=2, color=_RULE, labelcolor=MUTED)
    axes.locator_params(axis="x", nbins=4)
    return dot


def _write_gif(images: Sequence[Image], path: Path) -> None:
    from PIL.Image import Dither

    for colours, every in _SMALLER:
        # The last picture is always there; it is what training made.
        chosen = [*images[:-1][::every], images[-1]]
        palette = _palette(chosen, colours)
        reduced = [image.quantize(palette=palette, dither=Dither.NONE) for image in chosen]
        duration = [round(1000 * every / _RATE)] * (len(reduced) - 1) + [round(1000 * _HOLD_S)]
        reduced[0].save(
            path, format="GIF", save_all=True, append_images=reduced[1:], duration=duration, loop=0, disposal=1
        )
        if path.stat().st_size <= MOST_BYTES:
            return
    raise UsageError(f"the film is {path.stat().st_size / 1e6:.1f} MB as GIF, needed at most 4; write an .mp4")


def _palette(images: Sequence[Image], colours: int) -> Image:
    """One palette for all pictures, so that what stays equal is equal to the bit."""
    from PIL import Image

    some = [images[k] for k in np.unique(np.linspace(0, len(images) - 1, 8).astype(int))]
    sheet = Image.new("RGB", (some[0].width, sum(image.height for image in some)))
    top = 0
    for image in some:
        sheet.paste(image, (0, top))
        top += image.height
    return sheet.quantize(colours, dither=Image.Dither.NONE)


def _write_mp4(images: Sequence[Image], path: Path) -> None:
    width, height = images[0].size
    frames = [*images, *[images[-1]] * round(_HOLD_S * _RATE)]
    pixels = b"".join(image.tobytes() for image in frames)
    for quality in _WORSE:
        command = (
            f"ffmpeg -y -loglevel error -f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {_RATE} -i - -an "
            f"-c:v libx264 -pix_fmt yuv420p -crf {quality} -movflags +faststart -f mp4"
        )
        try:
            subprocess.run([*command.split(), str(path)], input=pixels, check=True, capture_output=True)
        except FileNotFoundError:
            raise UsageError("MP4 takes ffmpeg, which is not here; install it, or write a .gif") from None
        except subprocess.CalledProcessError as error:
            why = error.stderr.decode(errors="replace").strip().splitlines()
            raise UsageError(f"ffmpeg could not write the film: {why[-1] if why else error}; write a .gif") from None
        if path.stat().st_size <= MOST_BYTES:
            return
