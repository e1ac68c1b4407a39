"""`neuromod data`: what is in a file of trials, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import data_options, output_options, plot_option
from .output import Talk, table

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.trials import Trials

_COLUMNS = ("mean", "std", "min", "max")


@click.command("data", short_help="Show what is in a file of trials of your own.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--readout",
    type=click.Choice(["last", "mean", "every"]),
    help="Where the answer is to be read; what suits the targets if omitted.",
)
@data_options
@plot_option("some trials")
@output_options
def command(
    file: Path, readout: str | None, dt_ms: float | None, channels: int | None, plot: Path | None, talk: Talk
) -> None:
    """Show trials, lengths, channels, classes, the split, the score of guessing, and what training would do.

    \b
      .npz   inputs (trial, time, channel), lengths, targets; optional mask, split, class_names, channel_names, dt_ms
      .ts    of the UCR and UEA archives; X_TRAIN.ts takes X_TEST.ts beside it as test set
      .h5    spikes as the Heidelberg digits have them, counted in bins of --dt-ms

    \b
    Examples:
      neuromod data BasicMotions_TRAIN.ts
      neuromod data recordings.npz --plot trials.svg
      neuromod data shd_train.h5 --dt-ms 10 --channels 70 --json
    """
    from neuromod.data import facts, read_trials
    from neuromod.training import is_open, settings_for

    data = read_trials(file, readout=readout, dt_ms=dt_ms, channels=channels)
    settings = settings_for(data, {})
    content: dict[str, Any] = {
        **facts.describe(data),
        "readout_open": is_open(data, {"data.readout": readout}),
        "training": {
            "neurons": settings.network.neurons,
            "steps": settings.training.steps,
            "batch": min(settings.training.batch, data.counts()["train"]),
            "learning_rate": settings.training.learning_rate,
            "strength": settings.wiring.strength,
            "dt_ms": settings.dt_ms,
            "tau_ms": settings.network.tau_ms,
        },
    }
    if plot is not None:
        from neuromod.plotting import examples
        from neuromod.plotting import overview as plots

        plots.save(examples(data), plot)
        content["plot"] = str(plot)
    talk.result(content, describe(content))


def describe(content: dict[str, Any]) -> str:
    """Return the facts in words."""
    counts, steps, training = content["trials"], content["steps"], content["training"]
    length = f"{steps['min']}" if steps["min"] == steps["max"] else f"{steps['min']} to {steps['max']}"
    beside = f" and {content['test_file']['name']} beside it" if "test_file" in content else ""
    dt = "time step unknown" if content["dt_ms"] is None else f"{content['dt_ms']:g} ms a step"
    given = content["split_from_file"]
    lines = [
        f"{content['name']}{beside}",
        f"{sum(counts.values()):,} trials of {length} steps, {len(content['channels'])} channels, {dt}",
        ", ".join(f"{count:,} {name}{'' if name in given else ' (held out)' * (name != 'train')}"
                  for name, count in counts.items()),
        "",
        table(
            [[c["name"], *(f"{c[key]:.4g}" for key in _COLUMNS)] for c in content["channels"][:20]],
            header=["channel", *_COLUMNS],
        ),
    ]  # fmt: skip
    if len(content["channels"]) > 20:
        lines.append(f"… and {len(content['channels']) - 20} more")
    lines.append("")
    if content["classes"]:
        rows = [[c["name"], *(f"{c[key]:,}" for key in counts)] for c in content["classes"][:30]]
        lines.append(table(rows, header=["class", *counts]))
        if len(content["classes"]) > 30:
            lines.append(f"… and {len(content['classes']) - 30} more")
    else:
        rows = [[f"value {k}", *(f"{v[key]:.4g}" for key in _COLUMNS)]
                for k, v in enumerate(content["values"][:20])]  # fmt: skip
        lines.append(table(rows, header=["target", *_COLUMNS]))
    name = "R²" if content["score_name"] == "r2" else "accuracy"
    read = {"last": "at the last step", "mean": "as the mean over steps", "every": "at every step"}[content["readout"]]
    lines += [
        "",
        f"the answer is read {read}"
        f"{' or at the last step, as the validation decides' if content['readout_open'] else ''}; "
        f"guessing has the test {name} {content['guessing']:.3f}",
        f"`neuromod train --data` would train {training['neurons']} neurons for {training['steps']:,} steps, batch "
        f"{training['batch']}, learning rate {training['learning_rate']:g}, λ {training['strength']:g}, "
        f"dt {training['dt_ms']:g} ms, τ {training['tau_ms']:g} ms",
        *(f"note: {warning}" for warning in content["warnings"]),
    ]
    return "\n".join(lines)


def start_of(path: Path, given: dict[str, Any]) -> Network:
    """Return the network of the run that training goes on from, and note it and its size in what is given."""
    from neuromod.errors import UsageError
    from neuromod.runs import run as rundir

    source = rundir.open_run(path)
    if source.state("prune")[0] == "fresh":
        name = "pruned.safetensors"
    else:
        source.require("import" if source.step("import") else "train")
        name = "network.safetensors"
    network = source.network(name)
    if "nir" in network.info:
        raise UsageError(f"{path} holds a spiking network imported from NIR, which cannot be trained")
    if given.setdefault("network.neurons", network.n) != network.n:
        raise UsageError(f"--neurons {given['network.neurons']}: the network of {path} has {network.n}; leave it out")
    given.setdefault("network.tau_ms", 1000 * network.tau_s)
    given |= {"start.run": source.path.resolve().name, "start.sha256": network.sha256()}
    return network


def readout_for(data: Trials, given: dict[str, Any], start: Network | None, talk: Talk) -> Trials:
    """Return the data with the readout that they are learned with, and say how it was chosen where nobody said it."""
    from neuromod.training import choice_words, is_open, settle_readout

    if is_open(data, given) and start is None:
        talk.say("trying where the answer is best read, as the mean over steps or at the last step")
    return settle_readout(data, given, start=start, on_choice=lambda choice: talk.say(choice_words(choice)))


def about_data(data: Trials) -> list[str]:
    """Say what is read, and what is odd about it."""
    from neuromod.data import facts

    counts, source = data.counts(), data.source
    beside = f" with {source['test_file']['name']} beside it" if "test_file" in source else ""
    what = f"{data.n_classes} values" if data.values else f"{data.n_classes} classes"
    held = [name for name in ("test", "validation") if name not in source.get("split_given", [])]
    lines = [
        f"{source['name']}{beside}: {counts['train']} training, {counts['validation']} validation and {counts['test']} "
        f"test trials of {data.inputs.shape[2]} channels, {what}"
    ]
    if held:
        lines.append(f"held out, a fifth of what is there of each class: {' and '.join(held)}")
    return lines + [f"note: {warning}" for warning in facts.warnings(data)]
