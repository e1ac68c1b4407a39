"""Every picture that ``--plot`` and ``--film`` make, of one small run: ``docs/images/gallery`` and ``docs/gallery.md``.

``python tests/benchmarks/draw_gallery.py [--run FOLDER]`` from the root of the repository. A training that the
run has already is not repeated: its pictures are drawn from what it kept. All else is done again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images" / "gallery"
PAGE = ROOT / "docs" / "gallery.md"


# Trials of three classes: waves of two channels, with noise.
SIGNALS = """\
import numpy as np

rng = np.random.default_rng(0)
t, targets = np.arange(60), np.arange(90) % 3
phase = rng.uniform(0, 2 * np.pi, (90, 1))
waves = [np.sin(np.where(targets == k, 0.6, 0.2)[:, None] * t + phase) for k in (1, 2)]
inputs = np.stack(waves, axis=2) + rng.normal(0, 0.2, (90, 60, 2))
np.savez("signals.npz", inputs=inputs, targets=targets)
print(inputs.shape)
"""


@dataclass(frozen=True)
class Picture:
    """A command, the files that it draws, and what is seen on them.

    Parameters
    ----------
    title, words : str
        Heading and sentence of the page.
    command : tuple of str
        As it is typed, without the name of the run.
    files : tuple of str
        What it writes, under the folder of the images.
    of_run : bool
        Whether it works on the run.
    before : str
        Python that makes what it reads.
    """

    title: str
    words: str
    command: tuple[str, ...]
    files: tuple[str, ...]
    of_run: bool = True
    before: str = ""


TRAINING = (
    *("train", "--tasks", "go,anti,rtgo,rtanti,dlygo,dlyanti", "--neurons", "100", "--steps", "1500"),
    *("--wiring-cost", "hops", "--cores", "4x4", "--film", "film.gif", "--plot", "training.svg"),
)
ANALYSIS = (
    *("figure_2b_task_variance.svg", "figure_2c_plane.svg", "figure_2d_accuracy.svg", "figure_2e_importance.svg"),
    *("figure_2f_weight_by_distance.svg", "figure_2g_neurons_and_error.svg", "figure_2h_wiring_and_error.svg"),
)
PICTURES = (
    Picture(
        "Tasks",
        "A trial of each task: fixation cue and two rings of inputs over time, below them the class that is wanted.",
        ("tasks", "--collection", "yang19", "--plot", "tasks.png"),
        ("tasks.png",),
        of_run=False,
    ),
    Picture(
        "Data of your own",
        "Some training trials, a line for each channel, some of each class.",
        ("data", "signals.npz", "--plot", "data.svg"),
        ("data.svg",),
        of_run=False,
        before=SIGNALS,
    ),
    Picture(
        "Training",
        "The film: neurons swap places until those that talk to each other share a core, and connections thin out. "
        "Below it loss, accuracy and wiring length.",
        TRAINING,
        ("film.gif", "training.svg"),
    ),
    Picture(
        "Pruning",
        "The weights by their magnitude with the threshold, and what is left.",
        ("prune", "--plot", "pruning.svg"),
        ("pruning.svg",),
    ),
    Picture(
        "Function",
        "What the paper's figure 2 shows, of this network; the paper's own points in grey.",
        ("analyze", "--plot", "."),
        ANALYSIS,
    ),
    Picture(
        "Cores",
        "The cores, the stronger the colour, the more packets they send and receive; an arrow for each direction of a "
        "link, as wide as its load; the neurons inside, by functional cluster.",
        ("map", "--plot", "cores.svg"),
        ("cores.svg",),
    ),
    Picture(
        "Traffic",
        "Packets, hops and the busiest link beside the shuffled placement, and the load of the cores.",
        ("estimate", "--plot", "traffic.svg"),
        ("traffic.svg",),
    ),
    Picture(
        "Other grids and chips",
        "The same network on every combination of what is given: hops, cores, memory and accuracy two by two, with the "
        "front of each two.",
        (
            *("explore", "--cores", "2x2,4x4", "--target", "generic-mesh,loihi1"),
            *("--neurons-per-core", "8,32", "--weight-bits", "4,8", "--plot", "explored.svg"),
        ),
        ("explored.svg",),
    ),
    Picture(
        "Spiking export",
        "Accuracy, equal decisions and spikes of the conversions that were tried.",
        ("export", "--plot", "substeps.svg"),
        ("substeps.svg",),
    ),
    Picture(
        "Verification",
        "Decisions and accuracy of each exported file beside the network's.",
        ("verify", "--plot", "verified.svg"),
        ("verified.svg",),
    ),
    Picture(
        "Overview",
        "Plane and cores of the same network: squares on the left are the cores that it was trained for.",
        ("report", "--plot", "overview.svg"),
        ("overview.svg",),
    ),
)


def draw(picture: Picture, folder: Path, run: Path) -> None:
    """Run the command of a picture in a folder, on a run."""
    if picture.before:
        subprocess.run([sys.executable, "-c", picture.before], cwd=folder, check=True)
    words = list(picture.command)
    if words[0] == "train" and (run / "checkpoint.pt").exists():
        words = ["train", "--resume", *words[-4:]]
    if picture.of_run:
        words += ["--run", str(run)]
    print("+ neuromod", *words, flush=True)
    subprocess.run([Path(sys.executable).with_name("neuromod"), *words, "-q"], cwd=folder, check=True)


def page() -> str:
    """Return the page: each picture with its command."""
    lines = [
        "# Gallery",
        "",
        "All pictures that `--plot` and `--film` draw, each below the command that makes it. They are of one small",
        "run, a network of 100 neurons that was trained for the traffic between 16 cores (seed 0). Figures are PNG,",
        "SVG or PDF by the end of the file's name, films GIF or MP4. `python tests/benchmarks/draw_gallery.py` draws",
        "all of them and writes this page. What a sweep draws is in [](reproduction.md).",
        "",
    ]
    for picture in PICTURES:
        lines += [f"## {picture.title}", "", picture.words, ""]
        lines += ["```python", picture.before.rstrip(), "```", ""] if picture.before else []
        lines += ["```console", f"$ neuromod {' '.join(picture.command)}", "```", ""]
        for name in picture.files:
            stem = name.rpartition(".")[0].replace("_", " ")
            width = (
                "48%"
                if len(picture.files) > 2
                else "100%"
                if name in ("film.gif", "overview.svg", "explored.svg")
                else "70%"
            )
            told = (f":alt: {picture.title}, {stem}", f":width: {width}")
            lines += [f"```{{image}} images/gallery/{name}", *told, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Draw everything, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="Folder of the run; a temporary one if omitted.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["NEUROMOD_RUNS"] = str(folder / "runs")
        run = (options.run or folder / "run").resolve()
        for picture in PICTURES:
            draw(picture, folder, run)
        IMAGES.mkdir(parents=True, exist_ok=True)
        for name in (name for picture in PICTURES for name in picture.files):
            shutil.copy(folder / name, IMAGES / name)
            print(f"{name}: {(IMAGES / name).stat().st_size / 1000:,.0f} kB")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
