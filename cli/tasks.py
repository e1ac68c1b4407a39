"""`neuromod tasks`: what can be trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import output_options, plot_option, seed_option
from .output import Talk, table


@click.command("tasks", short_help="List the tasks, with the accuracy of an ideal observer.")
@click.option(
    "--collection",
    type=click.Choice(["yang19", "modcog", "modcog93"]),
    default="yang19",
    show_default=True,
    help="Which tasks: Yang et al. 2019, the 82 of Mod-Cog, all 93 in Mod-Cog's code.",
)
@click.option(
    "--semantics",
    type=click.Choice(["go-cue", "neurogym-2.3"]),
    default="go-cue",
    show_default=True,
    help="What the tasks of yang19 mean: as up to NeuroGym 2.0.0, or as in the present one.",
)
@plot_option("a trial of each task")
@seed_option
@output_options
def command(collection: str, semantics: str, plot: Path | None, seed: int, talk: Talk) -> None:
    """List the tasks with the accuracy that an ideal observer reaches.

    \b
    Examples:
      neuromod tasks
      neuromod tasks --semantics neurogym-2.3 --json
      neuromod tasks --collection modcog --plot modcog.pdf
    """
    content = list_tasks(collection, semantics)
    if plot is not None:
        draw(plot, collection, semantics, seed)
        content["plot"] = str(plot)
    rows = [
        (
            item["name"],
            item["family"],
            "-".join(str(n) for n in dict.fromkeys(item["steps"])),
            f"{item['ceiling']:.3f}",
            item["asks"],
        )
        for item in content["tasks"]
    ]
    lines = table([row[:4] for row in rows], header=("task", "family", "steps", "ceiling")).splitlines()
    asks = ["asks", "----", *(row[4] for row in rows)]
    listed = "\n".join(f"{line}  {words}" for line, words in zip(lines, asks, strict=True))
    talk.result(
        content,
        f"{listed}\n\n"
        f"Steps of {content['dt_ms']} ms. Ceiling: accuracy of an ideal observer of the noisy stimuli, "
        f"{content['trials_per_task']:,} simulated trials a task; mean {content['mean_ceiling']:.3f}.\n"
        f"Collections: {', '.join(f'{name} ({n} tasks)' for name, n in content['collections'].items())}.",
    )


def draw(path: Path, collection: str, semantics: str, seed: int) -> None:
    """Draw a trial of each task of a collection into a file.

    Raises
    ------
    UsageError
        If the file cannot be written, or not in this format.
    """
    from neuromod.plotting import overview, stages
    from neuromod.tasks import generate, resolve

    trials = generate(collection, len(resolve(collection)), seed=seed, semantics=semantics)
    overview.save(stages.trials(trials), path)


def list_tasks(collection: str = "yang19", semantics: str = "go-cue") -> dict[str, Any]:
    """Describe the tasks: the object that ``--json`` prints."""
    from neuromod.tasks import COLLECTIONS, DT_MS, TRIALS, ceiling, find

    tasks, _, _ = find(collection, semantics=semantics)
    listed: list[dict[str, Any]] = [
        {
            "name": task.name,
            "collection": collection,
            "family": task.family,
            "steps": list(task.steps(DT_MS)),
            "asks": task.asks,
            "ceiling": ceiling(task.name, semantics),
        }
        for task in tasks
    ]
    return {
        "collection": collection,
        "collections": {name: len(tasks) for name, tasks in COLLECTIONS.items()},
        "semantics": semantics,
        "dt_ms": DT_MS,
        "trials_per_task": TRIALS,
        "mean_ceiling": round(sum(item["ceiling"] for item in listed) / len(listed), 4),
        "tasks": listed,
    }
