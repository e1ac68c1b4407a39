"""The writers of the formats for chips: calibration on trials, the folder, and what there is to say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neuromod.exporting.writers import Job, Written, converted, figures_of

if TYPE_CHECKING:
    from neuromod.exporting.chips.loihi_calibration import LoihiCalibration
    from neuromod.metrics import Agreement
    from neuromod.network import Array
    from neuromod.spiking import Conversion, ConversionSettings

# Trials to calibrate on.
_TRIALS = 200

# The target that a family's files are for where the placement is on none of it.
_USUAL = {"xylo": "xylo-a2", "loihi": "loihi1", "loihi2": "loihi2"}

# Substeps of Loihi's neurons to try; each takes the tuning again.
_SUBSTEPS = ((20,), (40,), (80,))

# The floor of Loihi's membranes, in thresholds: as high as their bits allow, so that inhibition is soon forgotten.
FLOOR = -1.0


def write_xylo(job: Job) -> Written:
    """Calibrate, and write the folder ``xylo``."""
    from neuromod.chips import calibrate_xylo, xylo_load

    trials = _trials(job)
    found = calibrate_xylo(job.network, trials.inputs, trials.mask)
    figures = {
        "percentile": found.percentile,
        "weight_shift": found.shift,
        "used_of_16_bits": found.used,
        "readout_error": found.readout_error,
        "full_neurons": job.network.neuron_ids[list(found.full)].tolist(),
    }
    return _written(job, "xylo", found.integers, trials.inputs, figures, xylo_load)


def write_loihi(job: Job) -> Written:
    """Convert with a hard reset and spikes as inputs, calibrate, and write the folder ``loihi``.

    Unless the settings say how many substeps there are to be, more are tried until the integers agree with the rate
    network. In more substeps each spike moves a membrane less, so that currents leave it its bits.
    """
    from neuromod.chips import loihi_load
    from neuromod.exporting.chips.loihi_calibration import calibrate_loihi
    from neuromod.metrics import agree, evaluate

    trials, network = _trials(job), job.network
    unseen = _unseen(job)
    ours = evaluate(network, unseen)
    tried: list[tuple[Agreement, Conversion, LoihiCalibration]] = []
    for substeps in (job.settings.substeps,) if job.settings.substeps else _SUBSTEPS:
        chosen = converted(job, loihi_settings(job.settings, substeps))
        found = calibrate_loihi(chosen.spiking, trials.inputs, trials.mask, core=_cores(job))
        theirs = evaluate(network, unseen, runner=found.integers.respond)
        tried.append((agree(ours.decisions, theirs.decisions, ours.trial_of_answer), chosen, found))
        if tried[-1][0].low >= job.settings.min_agreement:
            break
    agreed, chosen, found = max(tried, key=lambda item: item[0].share)
    figures = {
        "input_peak": found.peak,
        "used_of_the_bits": found.used,
        "readout_error": found.readout_error,
        "agreement": agreed.share,
        "agreement_95": [agreed.low, agreed.high],
    }
    done = _written(job, "loihi", found.integers, trials.inputs, figures, loihi_load)
    return replace(done, figures={**done.figures, **figures_of(chosen, network)})


def loihi_settings(settings: ConversionSettings, substeps: tuple[int, ...]) -> ConversionSettings:
    """Return what the spiking network is to be like that becomes Loihi's integers."""
    return replace(
        settings,
        mode="continuous",
        delay=0,
        floor=FLOOR,
        keep=1.0,
        # Its inputs are spikes, and are so while it is tuned; weights are rounded afterwards, those of inputs by a step
        # of their own.
        input="counts",
        reset="hard",
        start=0.0,
        weight_bits=None,
        # A hard reset loses what is above the threshold, and needs more of everything.
        tune="never" if settings.tune == "never" else "always",
        tune_steps=2 * settings.tune_steps,
        substeps=substeps,
    )


def write_loihi2(job: Job) -> Written:
    """Calibrate, and write the folder ``loihi2``."""
    from neuromod.chips import calibrate_loihi2, loihi2_load

    trials = _trials(job)
    found = calibrate_loihi2(job.network, trials.inputs, trials.mask, core=_cores(job))
    figures = {"used_of_24_bits": found.used, "readout_error": found.readout_error}
    return _written(job, "loihi2", found.integers, trials.inputs, figures, loihi2_load)


def _written(
    job: Job, family: str, integers: Any, x: Array, figures: dict[str, Any], load: Callable[[Any, Array, Any], Any]
) -> Written:
    """Write the folder of a family, with what its cores have to do on trials."""
    from neuromod.exporting import chips

    chip = _chip(job, _USUAL[family])
    given = integers.encode(x)
    figures = {**figures, "load_per_step": load(integers, given, integers.run(given))}
    paths = getattr(chips, family).write(
        integers, job.folder / family, network=job.network, x=x, chip=chip, more={"figures": figures}
    )
    return Written(tuple(paths), {"chip": chip, **figures}, references={family: integers})


def _trials(job: Job) -> Any:
    import numpy as np

    from neuromod.metrics import trials_for

    return trials_for(job.network, _TRIALS, seed=np.random.default_rng([job.settings.seed, 21]), split="seen")


def _unseen(job: Job) -> Any:
    """Trials that neither the network nor its integers were made with."""
    import numpy as np

    from neuromod.metrics import TRIALS_BETWEEN, has_few_trials, trials_for

    split = "between" if has_few_trials(job.network) else "validation"
    return trials_for(job.network, TRIALS_BETWEEN, seed=np.random.default_rng([job.settings.seed, 22]), split=split)


def _chip(job: Job, usual: str) -> str:
    """Target of the placement, where it is of the family; the family's usual one otherwise."""
    name = job.placement.target if job.placement is not None else ""
    family = usual.split("-")[0].rstrip("12")
    return name if name.startswith(family) else usual


def _cores(job: Job) -> Array | None:
    return None if job.placement is None else job.placement.core_of
