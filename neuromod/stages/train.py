"""Training into a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuromod.stages.talk import Talk, clock

if TYPE_CHECKING:
    from neuromod.errors import DoesNotFitError
    from neuromod.network import Network
    from neuromod.runs import Run
    from neuromod.training import Chip, Film, Settings, TrainingPlan
    from neuromod.trials import Trials


def train_stage(
    run: Run,
    settings: Settings,
    *,
    talk: Talk,
    resume: bool = False,
    data: Trials | None = None,
    start: Network | None = None,
    film: str | None = None,
) -> dict[str, Any]:
    """Train into `run`: network.safetensors, metrics.jsonl, checkpoint.pt, and data.safetensors if there are `data`.

    `start` is the network that training goes on with. With `film`, the name of a file that is to be drawn from them or
    empty, pictures of the training are kept in frames.safetensors; a run that goes on keeps them if it has some.

    Returns
    -------
    dict
        ``accuracy``, ``accuracy_per_task``, ``wiring_length``, ``synapses``, ``neurons``, ``seconds``, ``run``, …

    Raises
    ------
    InterruptedRunError
        If it was stopped by Ctrl-C; a checkpoint is there then.
    """
    import dataclasses
    import json

    from neuromod.analysis import functional_clusters
    from neuromod.data import facts, storage
    from neuromod.errors import InterruptedRunError
    from neuromod.files import write_text
    from neuromod.geometry import grid_order
    from neuromod.metrics import accuracy as evaluation
    from neuromod.metrics import wiring
    from neuromod.runs import commands, stop_request
    from neuromod.tasks import where_read
    from neuromod.training import checkpoints, config, for_target, frames, trials_for_target
    from neuromod.training import loop as training

    settings, said = for_target(settings)
    for sentence in said:
        talk.say(sentence)
    data = trials_for_target(settings, data)
    checkpoint, metrics = run.file("checkpoint.pt"), run.file("metrics.jsonl")
    state = None
    if resume and checkpoint.exists():
        state = checkpoints.load(checkpoint, settings, data=data)
        talk.say(f"resuming {run.path} after step {state.step} of {settings.training.steps}")
    plan = plan_training(settings, data=data, neurons_per_core=state.neurons_per_core if state else None)
    kept = _lines_until(metrics, state.step) if state else []
    pictures = (
        _film_until(run, state.step if state else 0, settings, resume=resume) if film is not None or resume else None
    )
    if state is None and start is not None:
        state = checkpoints.start(settings, data=data, network=start)
    write_text(metrics, "".join(kept))
    write_text(run.file("config.toml"), config.dump(settings))
    if data is not None:
        storage.save(data, run.file(storage.FILE))
    talk.detail(f"device {checkpoints.device_of(settings)}")

    def on_frame(frame: frames.Frame) -> None:
        nonlocal pictures
        assert pictures is not None
        pictures = dataclasses.replace(pictures, frames=(*pictures.frames, frame))

    ended = state

    def on_checkpoint(state: checkpoints.State) -> None:
        nonlocal ended
        # Frames first: those after a checkpoint are taken again, those before it never.
        if pictures is not None:
            frames.save(run.file(frames.FILE), pictures)
        checkpoints.save(checkpoint, settings, state)
        ended = state

    def on_step(progress: training.Progress) -> None:
        with metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dataclasses.asdict(progress)) + "\n")
        talk.progress(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  accuracy {progress.accuracy:.3f}  "
            f"wiring {progress.wiring_length:,.0f}  synapses {progress.synapses:,}  "
            f"{clock(progress.seconds_left)} left",
            done=progress.step == progress.steps,
        )

    try:
        with stop_request() as should_stop:
            network = training.train(
                settings,
                data=data,
                state=state,
                plan=plan,
                on_step=on_step,
                on_checkpoint=on_checkpoint,
                on_frame=None if pictures is None else on_frame,
                should_stop=should_stop,
            )
    except InterruptedRunError as error:
        raise InterruptedRunError(f"{error}; go on with `neuromod train --resume --run {run.path}`") from None
    seconds = float(json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])["seconds"])
    network.save(run.file("network.safetensors"))
    if pictures is not None and ended is not None:
        order = grid_order((ended.best or ended).positions)
        clusters = functional_clusters(network, seed=settings.seed) if plan.cores is None else None
        frames.save(run.file(frames.FILE), frames.finish(pictures, network, order, clusters))
    asked = settings.training.test_trials * len(evaluation.skills_of(network))
    trials = evaluation.trials_for(
        network, asked if data is None else data.n_trials, seed=settings.seed + 2**62, split="test"
    )
    score = evaluation.evaluate(network, trials)
    if where := where_read(trials):
        talk.say(where)
    result = {
        "run": str(run.path),
        "accuracy": score.accuracy,
        "accuracy_per_task": score.accuracy_per_task,
        "test_trials": score.n_trials,
        "wiring_length": wiring.measure(network).count,
        "synapses": network.n_synapses,
        "neurons": network.n,
        "steps": json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])["step"],
        "seconds": round(seconds, 3),
        "data": None if data is None else facts.about(data),
        "score_name": score.score_name,
        "validation_score": None,
        "test_score": score.accuracy,
        "test_score_interval": list(score.interval()),
        "nrmse": score.nrmse,
        "readout": None if data is None else data.readout,
        "readout_losses": None if data is None else data.source.get("readout_losses"),
    }
    if data is not None:
        result["validation_score"] = evaluation.evaluate(network, data.part("validation")).accuracy
    if plan.cores:
        result["chip"] = _fit(network, plan.cores, talk)
    run.record(
        "train",
        arguments=config.to_dict(settings),
        given=commands.as_record("train", {"film": film or None}),
        seconds=seconds,
        inputs=[],
        outputs=["network.safetensors", *([] if data is None else [storage.FILE])],
        result=result,
    )
    return result


def _film_until(run: Run, step: int, settings: Settings, *, resume: bool) -> Film | None:
    """Return the film that a run has up to a step, 0 for none of it; None if a run that goes on keeps none."""
    from neuromod.errors import UsageError
    from neuromod.training import frames

    path = run.file(frames.FILE)
    if not resume or (path.exists() and not step):
        film = frames.Film((), settings.training.steps)
        frames.save(path, film)
        return film
    if not path.exists():
        return None
    try:
        return frames.until(frames.load(path), step)
    except UsageError as error:
        raise UsageError(f"{error}, or delete it to go on without a film") from None


def plan_training(
    settings: Settings, *, data: Trials | None = None, neurons_per_core: int | None = None
) -> TrainingPlan:
    """Make the plan of a training; a refusal says what to type.

    Raises
    ------
    DoesNotFitError
        If the neurons do not fit the cores, or inputs or readouts the chip's channels.
    """
    from neuromod.errors import DoesNotFitError
    from neuromod.training import for_target, plan, trials_for_target

    settings, _ = for_target(settings)
    trials_for_target(settings, data)
    try:
        return plan.make_plan(settings, neurons_per_core=neurons_per_core)
    except DoesNotFitError as error:
        raise _in_commands(error, settings) from None


def _in_commands(error: DoesNotFitError, settings: Settings) -> DoesNotFitError:
    """Return a refusal that says what to type."""
    from neuromod.errors import DoesNotFitError
    from neuromod.runs import commands
    from neuromod.training import config

    said = []
    for advice in error.advice:
        given = config.to_dict(settings)
        for step in advice.steps if advice.kind != "nothing" else ():
            value = "x".join(map(str, step.value)) if isinstance(step.value, tuple) else step.value
            given = {**given, "chip": {**given["chip"], step.kind: value}}
        texts = commands.as_given("train", given, target_file=Path())
        said.append(advice.text if advice.kind == "nothing" else f"`{' && '.join(texts)}`")
    return DoesNotFitError(error.facts, error.advice, words=", or ".join(said))


def _fit(network: Network, cores: Chip, talk: Talk) -> dict[str, Any]:
    """Say on which cores the network was trained, and whether it keeps their limits as it is."""
    from neuromod.hardware import grown_on
    from neuromod.mapping import explanation, limits

    found = grown_on(network)
    assert found is not None
    grid, core_of = found
    violations = limits.find_violations(network, core_of, grid, cores.target, cores.capacity)
    if violations:
        words = explanation.describe(violations, network, grid, cores.target, cores.capacity)
        talk.warn(f"the trained network {words}")
    return {
        "grid": str(grid),
        "neurons_per_core": cores.capacity,
        "target": cores.target.name,
        "weight_bits": cores.weight_bits,
        "fits": not violations,
        "violations": [item.text for item in violations],
    }


def _lines_until(metrics: Path, step: int) -> list[str]:
    import json

    if not metrics.exists():
        return []
    lines = []
    for line in metrics.read_text(encoding="utf-8").splitlines(keepends=True):
        # A line that was being written when the process died is no JSON.
        try:
            if json.loads(line)["step"] <= step:
                lines.append(line)
        except (ValueError, KeyError, TypeError):
            break
    return lines
