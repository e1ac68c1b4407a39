"""`neuromod train`: train a network by brain-inspired modular training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuromod.stages import clock

from .data import about_data, readout_for, start_of
from .options import CoresType, data_options, film_option, output_options, plot_option
from .output import Talk

if TYPE_CHECKING:
    from neuromod.runs import Run


def describe(result: dict[str, Any]) -> str:
    """Return the result in words."""
    data = result.get("data")
    name = "R²" if result.get("score_name") == "r2" else "accuracy"
    on = f"{result['test_trials']:,} {'new' if data is None else 'test'} trials"
    if data is not None:
        low, high = result["test_score_interval"]
        on += f" (95 % interval {low:.3f} to {high:.3f}), {result['validation_score']:.3f} in validation"
    return (
        f"trained {result['neurons']} neurons for {result['steps']:,} steps in {clock(result['seconds'])}\n"
        f"{name} {result['accuracy']:.3f} on {on}, "
        f"{result['synapses']:,} synapses, wiring length {result['wiring_length']:,.0f} grid units\n"
        f"run {result['run']}"
    )


@click.command("train", short_help="Train a network whose wires cost what they are long.")
@click.option("--tasks", metavar="NAMES", help="Collection or task names, separated by commas.  [default: yang19]")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Trials of your own instead of tasks: .npz, .ts or .h5; `neuromod data FILE` tells what is in it.",
)
@click.option(
    "--readout",
    type=click.Choice(["last", "mean", "every"]),
    help="Data: where the answer is read; at the last step, as the mean over steps, or at every step.  [default: the "
    "better of mean and last in validation]",
)
@data_options
@click.option("--neurons", type=int, help="Neurons, on a square grid.  [default: 256; 100 for data]")
@click.option("--steps", type=int, help="Training steps.  [default: 12000; by the size of data]")
@click.option("--regularizer", help="bimt, l1, l1-local, l1-swap, sernn, lm-rnn or none.  [default: bimt]")
@click.option("--strength", type=float, help="λ, the weight of the wiring cost.  [default: 0.4; 0.05 for data]")
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
@click.option(
    "--from",
    "from_path",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="RUN",
    help="Start from the trained (or imported) network of a run, its positions too; new inputs and readouts where "
    "their number differs.",
)
@click.option(
    "--freeze",
    type=click.Choice(["recurrent", "input", "readout"]),
    multiple=True,
    help="With --from: weights that stay as they are; may be given more than once.",
)
@click.option("--resume", is_flag=True, help="Go on with the newest run, or that of --run, from its checkpoint.")
@plot_option("loss, accuracy and wiring length over the training")
@film_option
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
    data: Path | None,
    readout: str | None,
    dt_ms: float | None,
    channels: int | None,
    from_path: Path | None,
    freeze: tuple[str, ...],
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
    film: Path | None,
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
      neuromod train --data recordings.npz
      neuromod train --from runs/first --data more.npz --freeze recurrent
      neuromod train --film growing.gif
      neuromod train --resume
    """
    from neuromod import tasks as generators
    from neuromod.data import storage
    from neuromod.errors import StageError, UsageError
    from neuromod.runs import locks
    from neuromod.runs import run as rundir
    from neuromod.stages import plan_training, train_stage
    from neuromod.training import chosen_words, config, frames, read_for, settings_for

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
        "data.file": None if data is None else str(data),
        "data.readout": readout,
        "data.dt_ms": dt_ms,
        "data.channels": channels,
        "start.freeze": list(freeze) or None,
    }
    trials, start = None, None
    if resume:
        given = [key for key, value in flags.items() if value is not None and key != "device"]
        if given or from_path or config_path or assignments:
            raise UsageError("--resume goes on with the settings of the run; it takes no others but --device")
        run = rundir.open_run(run_path)
        if not run.file("config.toml").exists():
            raise StageError(f"{run.path} has nothing to resume: no training began in it; run `neuromod train`")
        settings = config.load(run.file("config.toml"), (), {"device": device}, config.BEFORE)
        if film is not None and not run.file(frames.FILE).exists():
            raise StageError(f"{run.path} keeps no pictures of its training; begin again with `neuromod train --film`")
        if run.state("train")[0] == "fresh":
            talk.say(f"{run.path} is already trained to its last step")
            result = run.result("train")
            _finish(run, result, (plot, film), talk)
            return
        if settings.data.file:
            trials = storage.load(run.file(storage.FILE))
        if settings.start.run and not run.file("checkpoint.pt").exists():
            raise StageError(f"{run.path} has no checkpoint yet; begin again with `neuromod train --from`")
    else:
        if freeze and from_path is None:
            raise click.UsageError("--freeze keeps weights of a trained network: give it with --from RUN")
        given_settings = config.given(config_path, assignments, flags)
        if from_path is not None:
            start = start_of(from_path, given_settings)
        if given_settings.get("data.file"):
            trials = read_for(given_settings)
            for said in about_data(trials):
                talk.say(said)
            settings = settings_for(trials, given_settings)
            if chosen := chosen_words(trials, settings, given_settings):
                talk.say(chosen)
            label = "".join(c if c.isalnum() or c in "-_" else "-" for c in trials.names[0])[:40] or "data"
        else:
            if readout or dt_ms or channels:
                raise click.UsageError("--readout, --dt-ms and --channels are about data: give them with --data FILE")
            settings = config.load(None, (), given_settings)
            names = generators.resolve(settings.tasks.names)
            label = settings.tasks.names[0] if len(settings.tasks.names) == 1 else f"{len(names)}-tasks"
        # Cores that cannot be trained for are refused before there is a run.
        plan_training(settings, data=trials)
        run = rundir.create(label, run_path)
    begun = time.monotonic()
    # Nothing in a run is absolute.
    named = None if film is None else film.name if film.is_absolute() else str(film)
    talk.say(f"training {settings.network.neurons} neurons, {settings.wiring.regularizer}, into {run.path}")
    with locks.hold(run.path):
        if trials is not None and not resume:
            trials = readout_for(trials, given_settings, start, talk)
            settings = settings_for(trials, given_settings)
        result = train_stage(run, settings, talk=talk, resume=resume, data=trials, start=start, film=named)
    talk.detail(f"{clock(time.monotonic() - begun)} in all")
    _finish(run, result, (plot, film), talk)


def _finish(run: Run, result: dict[str, Any], figures: tuple[Path | None, Path | None], talk: Talk) -> None:
    plot, film = figures
    # The run may have been moved since.
    result = {**result, "run": str(run.path)}
    said = describe(result)
    if plot is not None:
        from neuromod.plotting import overview as plots
        from neuromod.plotting import stages as stageplots
        from neuromod.reporting import read_metrics

        plots.save(stageplots.training(read_metrics(run)), plot)
        result = {**result, "plot": str(plot)}
    if film is not None:
        from neuromod.plotting import film as films
        from neuromod.training import frames

        found = frames.load(run.file(frames.FILE))
        films.draw(found, film, on_frame=lambda share: talk.progress(f"drawing the film: {share:.0%}"))
        result = {**result, "film": str(film)}
        said += f"\nfilm {film} ({len(found.frames)} frames, {film.stat().st_size / 1e6:.1f} MB)"
    talk.result(result, said)
