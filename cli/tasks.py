"""`neuromod tasks`: what can be trained on."""

from __future__ import annotations

from typing import Any

import click

from .options import output_options
from .output import Talk, table


@click.command()
@click.option(
    "--semantics",
    type=click.Choice(["go-cue", "neurogym-2.3"]),
    default="go-cue",
    show_default=True,
    help="What the tasks mean: as up to NeuroGym 2.0.0, or as in the present one.",
)
@output_options
def command(semantics: str, talk: Talk) -> None:
    """List the tasks with the accuracy that an ideal observer reaches.

    \b
      neuromod tasks
      neuromod tasks --semantics neurogym-2.3 --json
    """
    content = list_tasks(semantics)
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
        f"{content['trials_per_task']:,} simulated trials a task; mean {content['mean_ceiling']:.3f}.",
    )


def list_tasks(semantics: str = "go-cue") -> dict[str, Any]:
    """Describe the tasks: the object that ``--json`` prints."""
    from neuromod.tasks import find
    from neuromod.tasks.ceilings import DT_MS, TRIALS, ceiling

    tasks, _, _ = find("yang19", semantics=semantics)
    listed: list[dict[str, Any]] = [
        {
            "name": task.name,
            "collection": "yang19",
            "family": task.family,
            "steps": list(task.steps(DT_MS)),
            "asks": task.asks,
            "ceiling": ceiling(task.name, semantics),
        }
        for task in tasks
    ]
    return {
        "semantics": semantics,
        "dt_ms": DT_MS,
        "trials_per_task": TRIALS,
        "mean_ceiling": round(sum(item["ceiling"] for item in listed) / len(listed), 4),
        "tasks": listed,
    }
