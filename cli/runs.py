"""`neuromod runs`: which runs there are, and what each has."""

from __future__ import annotations

from typing import Any

import click

from .options import output_options
from .output import Talk


@click.command("runs", short_help="List the runs and the state of their stages.")
@output_options
def command(talk: Talk) -> None:
    """List the runs and the state of their stages.

    A stage is fresh, stale (something that it was made from has changed since) or missing.

    \b
      neuromod runs
      NEUROMOD_RUNS=/data/runs neuromod runs --json
    """
    content = list_runs()
    if not content["runs"]:
        talk.result(content, f"No run in {content['folder']} yet; `neuromod train` makes one.")
        return
    lines = []
    for item in content["runs"]:
        newest = "  (newest)" if item["run"] == content["latest"] else ""
        lines.append(f"{item['run']}{newest}")
        if item["error"]:
            lines.append(f"  {item['error']}")
            continue
        stages = item["stages"]
        for state in ("fresh", "stale"):
            names = [name for name, stage in stages.items() if stage["state"] == state]
            if names:
                lines.append(f"  {state}: {', '.join(names)}")
        # A stage that never ran is no news; one whose files are gone is.
        lines += [f"  {name}: {stage['why']}" for name, stage in stages.items() if stage["ran"] and stage["why"]]
        if not any(stage["ran"] for stage in stages.values()):
            lines.append("  no stage has finished")
    talk.result(content, "\n".join(lines))


def list_runs() -> dict[str, Any]:
    """Describe the runs: the object that ``--json`` prints."""
    from neuromod.errors import NeuromodError
    from neuromod.runs import commands, words
    from neuromod.runs import run as rundir

    try:
        latest = str(rundir.open_run().path)
    except NeuromodError:
        latest = None
    listed = []
    for run in rundir.list_runs():
        item: dict[str, Any] = {"run": str(run.path), "label": None, "created": None, "stages": {}, "error": None}
        try:
            manifest = run.manifest()
            item.update(label=manifest.get("label"), created=manifest.get("created"))
            for name in dict.fromkeys([*commands.COMMANDS, *manifest["steps"]]):
                state, why = run.state(name)
                item["stages"][name] = {"state": state, "why": why, "ran": run.step(name) is not None}
        except (NeuromodError, KeyError, TypeError, AttributeError) as error:
            # One broken run must not hide the others.
            why = words.in_commands(str(error)) if isinstance(error, NeuromodError) else "its run.json is damaged"
            item.update(stages={}, error=why)
        listed.append(item)
    return {"folder": str(rundir.runs_folder()), "latest": latest, "runs": listed}
