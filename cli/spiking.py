"""The spiking exports' options, and what `neuromod export` says while it looks for the number of substeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .output import Talk

if TYPE_CHECKING:
    from neuromod.network import Network
    from neuromod.placement import Placement
    from neuromod.rundir import Run
    from neuromod.substeps import Candidate, Conversion, Wishes


# What the options are if they are not given; also for other commands that export.
DEFAULTS: dict[str, Any] = {
    "substeps": None,
    "mode": "hold",
    "reset": "soft",
    "input": "constant",
    "tune": "needed",
    "tune_steps": 200,
    "weight_bits": None,
    "weight_steps": "row",
    "max_accuracy_drop": 0.01,
    "min_agreement": 0.95,
}


def spiking_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that the spiking formats share."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option("--substeps", type=click.IntRange(1, 1000), help="This number of steps of the neurons."),
    click.option(
        "--mode",
        type=click.Choice(["hold", "continuous"]),
        default=DEFAULTS["mode"],
        show_default=True,
        help="snn: spikes arrive at the end of a time step, or half a time step after they were fired.",
    ),
    click.option(
        "--reset",
        type=click.Choice(["soft", "hard"]),
        default=DEFAULTS["reset"],
        show_default=True,
        help="snn: a spike takes the threshold off the membrane, or sets it to 0.",
    ),
    click.option(
        "--input",
        type=click.Choice(["constant", "poisson"]),
        default=DEFAULTS["input"],
        show_default=True,
        help="snn: inputs are currents, or random spikes with that mean.",
    ),
    click.option(
        "--tune",
        type=click.Choice(["never", "needed", "always"]),
        default=DEFAULTS["tune"],
        show_default=True,
        help="Fine-tune the spiking network: if nothing else is good enough, or in any case.",
    ),
    click.option(
        "--tune-steps",
        type=click.IntRange(1, 10**5),
        default=DEFAULTS["tune_steps"],
        show_default=True,
        help="Steps of fine-tuning.",
    ),
    click.option("--weight-bits", metavar="N|target", help="Bits of the weights, or those of the placement's target."),
    click.option(
        "--weight-steps",
        type=click.Choice(["row", "tensor"]),
        default=DEFAULTS["weight_steps"],
        show_default=True,
        help="One step size for the weights of each neuron, or one for all.",
    ),
    click.option(
        "--max-accuracy-drop",
        type=click.FloatRange(0, 1),
        default=DEFAULTS["max_accuracy_drop"],
        show_default=True,
        help="Largest loss of accuracy; the smallest number of substeps within it is taken.",
    ),
    click.option(
        "--min-agreement",
        type=click.FloatRange(0, 1),
        default=DEFAULTS["min_agreement"],
        show_default=True,
        help="Least share of decisions equal to the rate network's, with 95 % confidence.",
    ),
)


def wishes_of(options: Mapping[str, Any], placement: Placement | None) -> Wishes:
    """Turn the options into `Wishes`."""
    from neuromod.substeps import Wishes

    return Wishes(
        substeps=(options["substeps"],) if options["substeps"] else (),
        mode=options["mode"],
        reset=options["reset"],
        input=options["input"],
        tune=options["tune"],
        tune_steps=options["tune_steps"],
        weight_bits=_bits(options["weight_bits"], placement),
        granularity=options["weight_steps"],
        max_accuracy_drop=options["max_accuracy_drop"],
        min_agreement=options["min_agreement"],
        seed=options["seed"],
    )


def _bits(text: str | int | None, placement: Placement | None) -> int | None:
    from neuromod.errors import UsageError

    if text is None or isinstance(text, int):
        return text
    if text != "target":
        if text.isascii() and text.isdigit() and 2 <= int(text) <= 16:
            return int(text)
        raise UsageError(f"--weight-bits '{text}' is not a number of bits; write a number from 2 to 16, or target")
    if placement is None:
        raise UsageError("--weight-bits target needs a placement; run `neuromod map --target NAME`, or give a number")
    from neuromod.quantization import bits_of

    return bits_of(placement.target)


def write_snn(
    run: Run, network: Network, placement: Placement | None, wishes: Wishes, *, talk: Talk
) -> tuple[dict[str, Any], list[str]]:
    """Convert and write ``exports/snn``."""
    from neuromod.exporting import snn

    chosen = _choose(network, wishes, talk=talk)
    paths = snn.write(chosen.spiking, run.file("exports/snn"), network=network, placement=placement)
    chosen.spiking.save(run.file("spiking/snn.safetensors"))
    part = {"files": sizes(run, paths), **_report(chosen, network)}
    return part, ["exports/snn", "spiking/snn.safetensors"]


def write_nir(
    run: Run, network: Network, placement: Placement | None, wishes: Wishes, *, talk: Talk, form: str
) -> tuple[dict[str, Any], list[str]]:
    """Convert and write ``exports/network.nir`` with a soft reset and ``exports/network_hard.nir``."""
    from neuromod.exporting import nir

    nir.nir_package()
    if "nir" in network.info:
        path = nir.save(nir.rebuild(network, placement=placement), run.file("exports/network.nir"))
        return {"files": sizes(run, [path]), "form": "imported"}, ["exports/network.nir"]
    base = replace(wishes, mode="continuous", delay=0, floor=None, input="constant")
    variants = {
        "network": replace(base, reset="soft"),
        # A hard reset loses what is above the threshold, and needs more of everything.
        "network_hard": replace(
            base,
            reset="hard",
            tune="never" if base.tune == "never" else "always",
            tune_steps=2 * base.tune_steps,
            substeps=base.substeps or (10, 20),
        ),
    }
    part: dict[str, Any] = {"files": [], "form": form}
    outputs = []
    for name, wanted in variants.items():
        talk.say(f"{wanted.reset} reset:")
        chosen = _choose(network, wanted, talk=talk)
        path = run.file(f"exports/{name}.nir")
        nir.write(chosen.spiking, path, network=network, placement=placement, form=form)  # type: ignore[arg-type]
        chosen.spiking.save(run.file(f"spiking/{name}_nir.safetensors"))
        part["files"] += sizes(run, [path])
        part[wanted.reset] = _report(chosen, network)
        outputs += [f"exports/{name}.nir", f"spiking/{name}_nir.safetensors"]
    return part, outputs


def sizes(run: Run, paths: list[Path]) -> list[dict[str, Any]]:
    """Return paths, relative to the run, with bytes."""
    return [{"path": str(path.relative_to(run.path)), "bytes": path.stat().st_size} for path in paths]


def _choose(network: Network, wishes: Wishes, *, talk: Talk) -> Conversion:
    from neuromod.substeps import choose

    talk.say("substeps  percentile  tuned  accuracy  (rate)  agreement            state error  spikes/neuron/step")

    def show(c: Candidate) -> None:
        interval = f"{c.agreement.share:.3f} ({c.agreement.low:.3f}-{c.agreement.high:.3f})"
        threshold = f"{c.percentile:g}" + (f" x{c.multiple:g}" if c.multiple != 1 else "")
        talk.say(
            f"{c.substeps:8d}  {threshold:>10s}  {'yes' if c.tuned else 'no':>5s}  {c.accuracy:8.3f}  "
            f"{c.accuracy_rate:6.3f}  {interval}{c.state_error:14.3f}{c.spikes_per_neuron_per_step:20.3f}"
        )

    chosen = choose(network, wishes, on_try=show)
    if (before := chosen.chosen.accuracy_unrounded) is not None:
        tuned = " and fine-tuned" if chosen.chosen.tuned else ""
        talk.say(
            f"Accuracy {before:.3f} before the weights were rounded to {wishes.weight_bits} bits{tuned}, "
            f"{chosen.chosen.accuracy:.3f} after."
        )
    if not chosen.met:
        talk.warn(
            f"nothing that was tried keeps the accuracy within {wishes.max_accuracy_drop:g} and at least "
            f"{wishes.min_agreement:g} of the decisions with 95 % confidence; took {chosen.chosen.substeps} substeps, "
            "the best of it"
        )
    for ids, what in (
        (chosen.silent, "never fire{} in {} trials"),
        (chosen.saturated, "fire{} in every substep of more than 5 % of the time steps of {} trials"),
    ):
        if ids:
            names = ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
            one = len(ids) == 1
            verb = what.format("s" if one else "", chosen.trials)
            talk.warn(f"{len(ids)} {'neuron' if one else 'neurons'} {verb}: {names}")
    return chosen


def _report(chosen: Conversion, network: Network) -> dict[str, Any]:
    from neuromod.evaluation import trials_for
    from neuromod.operations import count_spiking

    spiking = chosen.spiking
    trials = trials_for(network, 200, seed=3, split="train")
    return {
        "mode": spiking.mode,
        "reset": spiking.reset,
        "input": spiking.input,
        "substeps": spiking.substeps,
        "weight_bits": spiking.weight_bits,
        "tuned": chosen.chosen.tuned,
        "within_tolerance": chosen.met,
        "chosen": asdict(chosen.chosen),
        "sweep": [asdict(candidate) for candidate in chosen.sweep],
        "silent_neurons": list(chosen.silent),
        "saturated_neurons": list(chosen.saturated),
        "operations_per_step": count_spiking(spiking, trials.inputs, trials.mask).to_dict(),
    }
