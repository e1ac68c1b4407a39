"""The spiking exports' options, and what `neuromod export` says while it looks for the number of substeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from neuromod.spiking.settings import OPTIONS, ConversionSettings

from .output import Talk

if TYPE_CHECKING:
    from neuromod.mapping.placement import Placement
    from neuromod.network import Network
    from neuromod.spiking.selection import Candidate, Conversion


DEFAULTS: dict[str, Any] = {option: getattr(ConversionSettings(), name) for option, name in OPTIONS.items()}


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


def settings_of(options: Mapping[str, Any], placement: Placement | None, *, seed: int = 0) -> ConversionSettings:
    """Turn the options into `ConversionSettings`; what is not given is left to those."""
    given = {name: options[option] for option, name in OPTIONS.items() if option in options}
    given["substeps"] = (given["substeps"],) if given.get("substeps") else ()
    given["weight_bits"] = _bits(given.get("weight_bits"), placement)
    return ConversionSettings(**given, seed=seed)


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

    return bits_of(placement.hardware or placement.target)


def choose_aloud(network: Network, settings: ConversionSettings, *, talk: Talk) -> Conversion:
    """Choose a spiking network, and say what is tried and what is odd about it."""
    from neuromod.spiking.selection import choose

    talk.say(f"{settings.reset} reset:")
    talk.say("substeps  percentile  tuned  accuracy  (rate)  agreement            state error  spikes/neuron/step")

    def show(c: Candidate) -> None:
        interval = f"{c.agreement.share:.3f} ({c.agreement.low:.3f}-{c.agreement.high:.3f})"
        threshold = f"{c.percentile:g}" + (f" x{c.multiple:g}" if c.multiple != 1 else "")
        talk.say(
            f"{c.substeps:8d}  {threshold:>10s}  {'yes' if c.tuned else 'no':>5s}  {c.accuracy:8.3f}  "
            f"{c.accuracy_rate:6.3f}  {interval}{c.state_error:14.3f}{c.spikes_per_neuron_per_step:20.3f}"
        )

    chosen = choose(network, settings, on_try=show)
    if (before := chosen.chosen.accuracy_unrounded) is not None:
        tuned = " and fine-tuned" if chosen.chosen.tuned else ""
        talk.say(
            f"Accuracy {before:.3f} before the weights were rounded to {settings.weight_bits} bits{tuned}, "
            f"{chosen.chosen.accuracy:.3f} after."
        )
    if not chosen.met:
        talk.warn(
            f"nothing that was tried keeps the accuracy within {settings.max_accuracy_drop:g} and at least "
            f"{settings.min_agreement:g} of the decisions with 95 % confidence; took {chosen.chosen.substeps} "
            "substeps, the best of it"
        )
    for ids, what in (
        (chosen.silent, "never fire{} in {} trials"),
        (chosen.saturated, "fire{} in every substep of more than 5 % of the time steps of {} trials"),
    ):
        if ids:
            names = ", ".join(map(str, ids[:10])) + (" …" if len(ids) > 10 else "")
            one = len(ids) == 1
            verb = what.format("s" if one else "", settings.n_trials)
            talk.warn(f"{len(ids)} {'neuron' if one else 'neurons'} {verb}: {names}")
    return chosen
