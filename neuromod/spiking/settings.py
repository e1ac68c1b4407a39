"""What a spiking network is to be like: one set of defaults, for the library and for the commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    # Not at run time: the commands take the defaults from here before anything heavy is needed.
    from neuromod.spiking.network import Input, Mode, Reset
    from neuromod.spiking.quantization import Granularity

Tune = Literal["never", "needed", "always"]


@dataclass(frozen=True)
class ConversionSettings:
    """What the spiking network is to be like.

    Parameters
    ----------
    substeps : tuple of int
        What to try, in rising order; one is taken as it is. `SUBSTEPS` or `TUNED_SUBSTEPS` if empty.
    mode, delay, reset, floor, keep, input
        See `conversion.convert`.
    weight_bits, granularity
        Quantise the weights, see `quantization.quantize`; not at all if `weight_bits` is None.
    tune : {'never', 'needed', 'always'}
        Fine-tune, see `tuning.tune`: ``needed`` if nothing else is good enough.
    tune_steps : int
        Steps of fine-tuning.
    max_accuracy_drop : float
        Largest loss of mean accuracy against the rate network.
    min_agreement : float
        Least share of equal decisions; the lower end of its 95 % interval must reach it.
    n_trials : int
        Trials to measure on; half as many others are there to choose thresholds on.
    seed : int
        Seed of the trials.
    """

    substeps: tuple[int, ...] = ()
    mode: Mode = "hold"
    delay: int | None = None
    reset: Reset = "soft"
    floor: float | None = 0.0
    keep: float | None = None
    input: Input = "constant"
    weight_bits: int | None = None
    granularity: Granularity = "row"
    tune: Tune = "needed"
    tune_steps: int = 200
    max_accuracy_drop: float = 0.01
    min_agreement: float = 0.95
    n_trials: int = 2000
    seed: int = 0


# What a person can ask for -> the setting that it is, whose default is taken.
OPTIONS = {
    "substeps": "substeps",
    "mode": "mode",
    "reset": "reset",
    "input": "input",
    "tune": "tune",
    "tune_steps": "tune_steps",
    "weight_bits": "weight_bits",
    "weight_steps": "granularity",
    "max_accuracy_drop": "max_accuracy_drop",
    "min_agreement": "min_agreement",
}
