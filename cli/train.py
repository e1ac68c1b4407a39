"""`neuromod train`: train a network by brain-inspired modular training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuromod.stages import clock

from .options import CoresType, output_options, plot_option
from .output import Talk

if TYPE_CHECKING:
    from neuromod.runs import Run


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""
    return (
        f"trained {result['neurons']} neurons for {result['steps']:,} steps in {clock(result['seconds'])}\n"
        f"accuracy {result['accuracy']:.3f} on {result['test_trials']:,} new trials, "
        f"{result['synapses']:,} synapses, wiring length {result['wiring_length']:,.0f} grid units\n"
        f"run {result['run']}"
    )


@click.command("train", short_help="Train a network whose wires cost what they are long.")
@click.option("--tasks", metavar="NAMES", help="Collection or task names, separated by commas.  [default: yang19]")
@click.option("--neurons", type=int, help="Neurons, on a square grid.  [default: 256]")
@click.option("--steps", type=int, help="Training steps.  [default: 12000]")
@click.option("--regularizer", help="bimt, l1, l1-local, l1-swap, sernn, lm-rnn or none.  [default: bimt]")
@click.option("--strength", type=float, help="λ, the weight of the wiring cost.  [default: 0.4]")
@click.option(
    "--wiring-cost",
    type=click.Choice(["distance", "hops", "packets", "multicast", "energy"]),
    help="What wires cost: their length, or what packets between cores cost.  [default: distance]",
)
@click.option("--cores", type=CoresType(), help="Cores to train for, rows x columns, as 4x4.")
@click.option(
    "--neurons-per-core",
    type=click.IntRange(1),
    help="Neurons that a core holds; an even share with 5 % slack if omitted.",
)
@click.option("--target", help="Chip whose limits, weight bits and energies to train for: a name or a TOML file.")
@click.option("--semantics", help="Meaning of the tasks: go-cue or neurogym-2.3.  [default: go-cue]")
@click.option("--seed", type=int, help="Random seed.  [default: 0]")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file of settings.")
@click.option("--set", "assignments", multiple=True, metavar="SECTION.KEY=VALUE", help="One setting; may be repeated.")
@click.option("--resume", is_flag=True, help="Go on with the newest run, or that of --run, from its checkpoint.")
@plot_option("loss, accuracy and wiring length over the training")
@click.option(
    "--run",
    "run_path",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="PATH",
    help="Run directory to make, a dated one if omitted; with --resume the one to go on with.",
)
@output_options
def command(
    tasks: str | None,
    neurons: int | None,
    steps: int | None,
    regularizer: str | None,
    strength: float | None,
    wiring_cost: str | None,
    cores: tuple[int, int] | None,
    neurons_per_core: int | None,
    target: str | None,
    semantics: str | None,
    seed: int | None,
    device: str | None,
    config_path: Path | None,
    assignments: tuple[str, ...],
    resume: bool,
    plot: Path | None,
    run_path: Path | None,
    talk: Talk,
) -> None:
    """Train a recurrent network whose neurons have places and whose wires cost their length.

    \b
    Examples:
      neuromod train
      neuromod train --tasks go,anti --neurons 100 --steps 2000
      neuromod train --regularizer l1 --set wiring.strength=0.1
      neuromod train --wiring-cost hops --cores 4x4
      neuromod train --resume
    """
    from neuromod import tasks as generators
    from neuromod.errors import StageError, UsageError
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.stages import plan_training, train_stage
    from neuromod.training import config

    flags = {
        "tasks.names": tasks,
        "tasks.semantics": semantics,
        "network.neurons": neurons,
        "training.steps": steps,
        "wiring.regularizer": regularizer,
        "wiring.strength": strength,
        "wiring.cost": wiring_cost,
        "chip.cores": None if cores is None else f"{cores[0]}x{cores[1]}",
        "chip.neurons_per_core": neurons_per_core,
        "chip.target": target,
        "seed": seed,
        "device": device,
    }
    if resume:
        given = [key for key, value in flags.items() if value is not None and key != "device"]
        if given or config_path or assignments:
            raise UsageError("--resume goes on with the settings of the run; it takes no others but --device")
        run = rundir.open_run(run_path)
        if not run.file("config.toml").exists():
            raise StageError(f"{run.path} has nothing to resume: no training began in it; run `neuromod train`")
        settings = config.load(run.file("config.toml"), (), {"device": device})
        if run.state("train")[0] == "fresh":
            talk.say(f"{run.path} is already trained to its last step")
            result = run.result("train")
            _finish(run, result, plot, talk)
            return
    else:
        settings = config.load(config_path, assignments, flags)
        names = generators.resolve(settings.tasks.names)
        # Cores that cannot be trained for are refused before there is a run.
        plan_training(settings)
        label = settings.tasks.names[0] if len(settings.tasks.names) == 1 else f"{len(names)}-tasks"
        run = rundir.create(label, run_path)
    begun = time.monotonic()
    talk.say(f"training {settings.network.neurons} neurons, {settings.wiring.regularizer}, into {run.path}")
    with locks.hold(run.path):
        result = train_stage(run, settings, talk=talk, resume=resume)
    talk.detail(f"{clock(time.monotonic() - begun)} in all")
    _finish(run, result, plot, talk)


def _finish(run: Run, result: dict[str, Any], plot: Path | None, talk: Talk) -> None:
    # The run may have been moved since.
    result = {**result, "run": str(run.path)}
    if plot is not None:
        from neuromod.plotting import overview as plots
        from neuromod.plotting import stages as stageplots
        from neuromod.reporting import read_metrics

        plots.save(stageplots.training(read_metrics(run)), plot)
        result = {**result, "plot": str(plot)}
    talk.result(result, describe(result))
