"""The spiking exports' options, and what `neuromod export` says while it looks for the number of substeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from neuromod.spiking import OPTIONS, ConversionSettings

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
        type=click.Choice(["constant", "poisson", "counts"]),
        default=DEFAULTS["input"],
        show_default=True,
        help="Inputs are currents, spikes that carry their error on (counts), or, snn alone, random ones.",
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
