"""The writer of each export format: what it gets and what it gives back; packages are imported on use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuromod.errors import UsageError
from neuromod.spiking import ConversionSettings

if TYPE_CHECKING:
    from neuromod.hardware import Target
    from neuromod.mapping import Placement
    from neuromod.network import Array, Network
    from neuromod.spiking import Conversion


@dataclass(frozen=True, eq=False)
class Job:
    """What a writer gets.

    Parameters
    ----------
    network : Network
        What to export.
    folder : Path
        Where the files go.
    placement : Placement or None
        Cores of the neurons.
    target : Target or None
        That of the placement, where its name alone does not say.
    settings : ConversionSettings
        What a spiking network is to be like.
    options : mapping of str to value
        Every option of the format, see `formats.Option`.
    rates : callable
        Gives the activity (n,), in spikes per time step, to formats that need it; that of `activity.find_activity` if
        omitted.
    choose : callable
        Converts with given settings; `substeps.choose` if omitted.
    """

    network: Network
    folder: Path
    placement: Placement | None = None
    target: Target | None = None
    settings: ConversionSettings = field(default_factory=ConversionSettings)
    options: Mapping[str, Any] = field(default_factory=dict)
    rates: Callable[[], Array] | None = None
    choose: Callable[[Network, ConversionSettings], Conversion] | None = None


@dataclass(frozen=True, eq=False)
class Written:
    """What a writer gives back.

    Parameters
    ----------
    files : tuple of Path
        The files.
    figures : mapping
        What there is to say about them, JSON only.
    conversions : mapping of str to Conversion
        For each variant that spikes (see `formats.Variant`), how its network was chosen.
    references : mapping of str to network
        What was exported of each variant that is made of integers; it has a method `save`.
    seconds : float
        How long it took.
    """

    files: tuple[Path, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    references: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def write_onnx(job: Job) -> Written:
    """Write ``network.onnx`` and ``network_step.onnx``, and with the option ``quantize`` two files of 8 bits."""
    from neuromod.exporting import onnx, onnx_int8
    from neuromod.metrics import count_rate, has_tasks, trials_for

    network = job.network
    paths = onnx.write(network, job.folder, placement=job.placement)
    if job.options.get("quantize"):
        paths += onnx_int8.write_int8(network, job.folder, placement=job.placement)
    # Tasks are not needed for the files, only to count what inputs cause.
    trials = trials_for(network, 200, seed=3, split="train") if has_tasks(network) else None
    counts = count_rate(network, trials.inputs, trials.mask) if trials else count_rate(network)
    about = {"opset": onnx.OPSET, "ir_version": onnx.IR_VERSION, "operations_per_step": counts.to_dict()}
    return Written(tuple(paths), about)


def write_snn(job: Job) -> Written:
    """Convert, and write the folder ``snn``."""
    from neuromod.exporting import snn

    chosen = converted(job, job.settings)
    paths = snn.write(chosen.spiking, job.folder / "snn", network=job.network, placement=job.placement)
    return Written(tuple(paths), figures_of(chosen, job.network), {"snn": chosen})


def write_nir(job: Job) -> Written:
    """Convert, and write ``network.nir`` with a soft reset and ``network_hard.nir``; of an imported one the first."""
    from neuromod.exporting import nir

    nir.nir_package()
    path = job.folder / "network.nir"
    if "nir" in job.network.info:
        return Written((nir.save(nir.rebuild(job.network, placement=job.placement), path),), {"form": "imported"})
    form: Any = job.options.get("nir_form") or "cuba"
    # NIR has no words for a delay, a floor of the membrane or random input.
    spikes = job.settings.input == "counts"
    base = replace(
        job.settings, mode="continuous", delay=0, floor=None, input="counts" if spikes else "constant", reset="soft"
    )
    hard = replace(
        base,
        reset="hard",
        # A hard reset loses what is above the threshold, and needs more of everything.
        tune="never" if base.tune == "never" else "always",
        tune_steps=2 * base.tune_steps,
        substeps=base.substeps or (10, 20),
    )
    wanted = {"nir": (base, path), "nir_hard": (hard, job.folder / "network_hard.nir")}
    chosen = {}
    for variant, (settings, file) in wanted.items():
        chosen[variant] = converted(job, settings)
        nir.write(chosen[variant].spiking, file, network=job.network, placement=job.placement, form=form)
    figures: dict[str, Any] = {
        settings.reset: figures_of(chosen[variant], job.network) for variant, (settings, _) in wanted.items()
    }
    return Written(tuple(file for _, file in wanted.values()), {"form": form, **figures}, chosen)


def write_sanafe(job: Job) -> Written:
    """Write the folder ``sanafe``: the placement with its target's figures; refuse a target that is not known."""
    from neuromod.exporting import sanafe
    from neuromod.hardware import load_target, target_names
    from neuromod.metrics import find_activity

    placement = job.placement
    assert placement is not None  # `formats.Format.needs_placement`
    target = job.target or placement.hardware
    if target is None and placement.target not in target_names():
        raise UsageError(
            f"the placement is on the target {placement.target!r}, whose figures are not known here; give the target "
            "itself with target="
        )
    rates = find_activity(job.network).rates if job.rates is None else job.rates()
    paths = sanafe.write(job.network, placement, rates, target or load_target(placement.target), job.folder / "sanafe")
    return Written(tuple(paths))


def converted(job: Job, settings: ConversionSettings) -> Conversion:
    """Convert with given settings, in the way that the job wants."""
    from neuromod.spiking import choose

    return (job.choose or choose)(job.network, settings)


def figures_of(chosen: Conversion, network: Network) -> dict[str, Any]:
    """What there is to say about a spiking network and how it was chosen, JSON only."""
    from neuromod.metrics import trials_for
    from neuromod.spiking import count_spiking

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
