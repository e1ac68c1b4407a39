"""The writers of the formats for chips: calibration on trials, the folder, and what there is to say about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neuromod.exporting.writers import Job, Written, converted, figures_of

if TYPE_CHECKING:
    from neuromod.network import Array

# Trials to calibrate on.
_TRIALS = 200


def write_xylo(job: Job) -> Written:
    """Calibrate, and write the folder ``xylo``."""
    from neuromod.chips import calibrate_xylo, xylo_load
    from neuromod.exporting.chips import xylo

    trials = _trials(job)
    found = calibrate_xylo(job.network, trials.inputs, trials.mask)
    chip = _chip(job, "xylo-a2")
    counts = found.integers.encode(trials.inputs)
    figures: dict[str, Any] = {
        "percentile": found.percentile,
        "weight_shift": found.shift,
        "used_of_16_bits": found.used,
        "readout_error": found.readout_error,
        "full_neurons": job.network.neuron_ids[list(found.full)].tolist(),
        "load_per_step": xylo_load(found.integers, counts, found.integers.run(counts)),
    }
    paths = xylo.write(
        found.integers, job.folder / "xylo", network=job.network, x=trials.inputs, chip=chip, more={"figures": figures}
    )
    return Written(tuple(paths), {"chip": chip, **figures}, references={"xylo": found.integers})


def write_loihi(job: Job) -> Written:
    """Convert with a hard reset and spikes as inputs, calibrate, and write the folder ``loihi``."""
    from neuromod.chips import loihi_load
    from neuromod.exporting.chips import loihi
    from neuromod.exporting.chips.loihi_calibration import calibrate_loihi

    settings = replace(
        job.settings,
        mode="continuous",
        delay=0,
        floor=None,
        # Its inputs are spikes, and are so while it is tuned; weights are rounded afterwards, those of inputs by a step
        # of their own.
        input="counts",
        reset="hard",
        start=0.0,
        weight_bits=None,
        # A hard reset loses what is above the threshold, and needs more of everything.
        tune="never" if job.settings.tune == "never" else "always",
        tune_steps=3 * job.settings.tune_steps,
        substeps=job.settings.substeps or (20,),
    )
    chosen = converted(job, settings)
    trials = _trials(job)
    found = calibrate_loihi(chosen.spiking, trials.inputs, trials.mask, core=_cores(job))
    chip = _chip(job, "loihi1")
    events = found.integers.encode(trials.inputs)
    figures: dict[str, Any] = {
        "input_peak": found.peak,
        "used_of_the_bits": found.used,
        "readout_error": found.readout_error,
        "load_per_step": loihi_load(found.integers, events, found.integers.run(events)),
    }
    paths = loihi.write(
        found.integers, job.folder / "loihi", network=job.network, x=trials.inputs, chip=chip, more={"figures": figures}
    )
    said = {"chip": chip, **figures, **figures_of(chosen, job.network)}
    return Written(tuple(paths), said, references={"loihi": found.integers})


def write_loihi2(job: Job) -> Written:
    """Calibrate, and write the folder ``loihi2``."""
    from neuromod.chips import calibrate_loihi2, loihi2_load
    from neuromod.exporting.chips import loihi2

    trials = _trials(job)
    found = calibrate_loihi2(job.network, trials.inputs, trials.mask, core=_cores(job))
    chip = _chip(job, "loihi2")
    messages = found.integers.encode(trials.inputs)
    figures: dict[str, Any] = {
        "used_of_24_bits": found.used,
        "readout_error": found.readout_error,
        "load_per_step": loihi2_load(found.integers, messages, found.integers.run(messages)),
    }
    paths = loihi2.write(
        found.integers,
        job.folder / "loihi2",
        network=job.network,
        x=trials.inputs,
        chip=chip,
        more={"figures": figures},
    )
    return Written(tuple(paths), {"chip": chip, **figures}, references={"loihi2": found.integers})


def _trials(job: Job) -> Any:
    import numpy as np

    from neuromod.metrics import trials_for

    return trials_for(job.network, _TRIALS, seed=np.random.default_rng([job.settings.seed, 21]), split="seen")


def _chip(job: Job, usual: str) -> str:
    """Target of the placement, where it is of the family; the family's usual one otherwise."""
    name = job.placement.target if job.placement is not None else ""
    family = usual.split("-")[0].rstrip("12")
    return name if name.startswith(family) else usual


def _cores(job: Job) -> Array | None:
    return None if job.placement is None else job.placement.core_of
