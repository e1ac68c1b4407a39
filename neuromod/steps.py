"""The commands' steps as functions on `Network`, for notebooks and scripts: no run directory is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuromod.activity import Activity, find_activity
from neuromod.errors import UsageError, VerificationError
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.placement import Placement
from neuromod.targets import Target, load_target, target_names
from neuromod.traffic import TrafficReport
from neuromod.traffic import estimate as estimate_traffic

if TYPE_CHECKING:
    from neuromod.placers.problem import Effort
    from neuromod.settings import Settings
    from neuromod.spiking import SpikingNetwork
    from neuromod.substeps import Conversion, Wishes
    from neuromod.training import Progress

Format = Literal["onnx", "snn", "nir", "sanafe"]


@dataclass(frozen=True, eq=False)
class Export:
    """Files that another runtime loads, and what their verification needs.

    Parameters
    ----------
    format : {'onnx', 'snn', 'nir', 'sanafe'}
        The format.
    files : tuple of Path
        What was written.
    target : Path
        What a runtime is given: the file, or the folder of the files.
    placement : Placement or None
        The placement that went into the metadata.
    conversion : Conversion or None
        How the spiking network was chosen, with its figures; None for formats that do not spike.
    spiking : SpikingNetwork or None
        The spiking network that was written.
    """

    format: Format
    files: tuple[Path, ...]
    target: Path
    placement: Placement | None = None
    conversion: Conversion | None = None
    spiking: SpikingNetwork | None = None

    def _repr_html_(self) -> str:
        rows = [(path.name, f"{path.stat().st_size:,} bytes" if path.exists() else "gone") for path in self.files]
        return html_table(f"Export, {self.format}", rows)


@dataclass(frozen=True, eq=False)
class Verification:
    """How an exported file did in its runtime.

    Parameters
    ----------
    format : str
        The format.
    passed : bool
        Whether it behaves as the network.
    verified : bool
        Whether a runtime was there to tell.
    reasons : tuple of str
        What is wrong, or why nothing was verified.
    figures : mapping
        The figures of the comparison, as in ``verify.json``.
    """

    format: str
    passed: bool
    verified: bool
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        verdict = "not verified" if not self.verified else "passed" if self.passed else "failed"
        shown = [(key.replace("_", " "), value) for key, value in self.figures.items() if key not in ("reasons",)]
        plain = [(key, value) for key, value in shown if isinstance(value, str | int | float)]
        return html_table(f"Verification, {self.format}: {verdict}", [*((why, "") for why in self.reasons), *plain])


def train(
    settings: Settings | None = None,
    *,
    tasks: str | tuple[str, ...] | None = None,
    neurons: int | None = None,
    steps: int | None = None,
    regularizer: str | None = None,
    strength: float | None = None,
    seed: int | None = None,
    device: str | None = None,
    more: Mapping[str, Any] | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> Network:
    """Train a network, as `neuromod train` does.

    Parameters
    ----------
    settings : Settings, optional
        Where to start from; the defaults if omitted. What follows wins over them.
    tasks, neurons, steps, regularizer, strength, seed, device
        The settings that the command has an option for; see `neuromod.settings`.
    more : mapping of str to value, optional
        Any other setting, as ``{"training.batch": 32}``.
    on_step : callable, optional
        Called with a `training.Progress` every ``training.log_every`` steps and after the last.

    Returns
    -------
    Network
        The trained network; equal settings give equal networks on the same machine.

    Raises
    ------
    UsageError
        If a setting is unknown or out of range, or the loss is no longer finite.

    References
    ----------
    Liu, Khona, Fiete and Tegmark (2023), arXiv:2310.07711.

    Examples
    --------
    >>> import neuromod
    >>> net = neuromod.train(tasks="go", neurons=16, steps=10)
    >>> net.n, net.n_in, net.n_out
    (16, 53, 17)
    """
    from neuromod import config, training

    flags = {
        **(config.flatten(config.to_dict(settings)) if settings else {}),
        **(more or {}),
        **{
            key: value
            for key, value in {
                "tasks.names": tasks,
                "network.neurons": neurons,
                "training.steps": steps,
                "wiring.regularizer": regularizer,
                "wiring.strength": strength,
                "seed": seed,
                "device": device,
            }.items()
            if value is not None
        },
    }
    return training.train(config.load(None, (), flags), on_step=on_step)


def place(
    network: Network,
    *,
    cores: tuple[int, int] | None = None,
    target: Target | str = "generic-mesh",
    activity: Activity | None = None,
    neurons_per_core: int | None = None,
    placer: str = "annealing",
    objective: str = "hops",
    seed: int = 0,
    effort: Effort | None = None,
) -> Placement:
    """Place the neurons of a network on the cores of a target, as `neuromod map` does.

    Parameters
    ----------
    network : Network
        The network, with positions or without.
    cores : (rows, columns), optional
        Grid of cores; 4x4, or the chip's if that is smaller, if omitted.
    target : Target or str
        The target, its name, or the path of its file.
    activity : Activity, optional
        How often each neuron sends; `activity.find_activity` if omitted.
    neurons_per_core, placer, objective, seed, effort
        As for `mapping.place`.

    Returns
    -------
    Placement
        Core of every neuron, ``core_of (n,) int32``; it keeps every limit that the target states.

    Raises
    ------
    UsageError
        If an argument cannot be used.
    DoesNotFitError
        If the network does not fit; the message lists every violation and what to try.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> neuromod.place(net, cores=(1, 2), neurons_per_core=2).core_of.tolist()
    [0, 0, 1, 1]
    """
    from neuromod import mapping

    return mapping.place(
        network,
        rates=(activity or find_activity(network)).rates,
        cores=cores,
        target=target,
        neurons_per_core=neurons_per_core,
        placer=placer,
        objective=objective,
        seed=seed,
        effort=effort,
    )


def estimate(
    network: Network,
    placement: Placement,
    *,
    activity: Activity | None = None,
    target: Target | None = None,
    seed: int = 0,
) -> TrafficReport:
    """Estimate what a placement costs, beside the shuffled one, as `neuromod estimate` does.

    Parameters
    ----------
    network : Network
        The network.
    placement : Placement
        Its neurons' cores.
    activity : Activity, optional
        How often each neuron sends; `activity.find_activity` if omitted.
    target : Target, optional
        For energy, time and chips; the placement's, where that is one of `targets.target_names`, if omitted.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    TrafficReport
        Means per time step: ``summary["hops_per_step"]`` in packet-hops, ``summary["packets_per_step"]``, …

    Raises
    ------
    UsageError
        If the placement is of another network.

    Examples
    --------
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> placement = neuromod.place(net, cores=(1, 2), neurons_per_core=2)
    >>> neuromod.estimate(net, placement).summary["hops_per_step"]
    1.0
    """
    if target is None and placement.target in target_names():
        target = load_target(placement.target)
    return estimate_traffic(network, placement, activity or find_activity(network), target=target, seed=seed)


def export(
    network: Network,
    folder: Path | str,
    *,
    format: Format = "onnx",
    placement: Placement | None = None,
    wishes: Wishes | None = None,
    quantize: Literal["int8"] | None = None,
) -> Export:
    """Write a network so that other runtimes load it, as `neuromod export` does.

    Parameters
    ----------
    network : Network
        What to export.
    folder : Path or str
        Where to: ``network.onnx`` and ``network_step.onnx``, the folder ``snn``, ``network.nir``, or ``sanafe``.
    format : {'onnx', 'snn', 'nir', 'sanafe'}
        What to write.
    placement : Placement, optional
        Cores of the neurons, for the metadata; ``sanafe`` needs it.
    wishes : Wishes, optional
        What the spiking network is to be like, see `substeps.Wishes`; for ``snn`` and ``nir``.
    quantize : {'int8'}, optional
        For ``onnx``: also write files with weights of 8 bits.

    Returns
    -------
    Export
        The files, and what `verify` needs.

    Raises
    ------
    UsageError
        If the format is unknown, a package is missing, the network cannot be said in the format, or the folder cannot
        be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import neuromod
    >>> net = neuromod.Network(w_rec=np.eye(4, k=1), w_in=np.zeros((4, 1)), w_out=np.zeros((1, 4)), bias=np.zeros(4),
    ...                        bias_out=np.zeros(1), dt_s=0.1, tau_s=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in neuromod.export(net, folder).files]
    ['network.onnx', 'network_step.onnx']
    """
    folder = Path(folder)
    if format == "onnx":
        from neuromod.exporting import onnx

        paths = onnx.write(network, folder, placement=placement)
        paths += onnx.write_int8(network, folder, placement=placement) if quantize else []
        return Export(format, tuple(paths), folder, placement)
    if format == "sanafe":
        return _export_sanafe(network, folder, placement)
    if format not in ("snn", "nir"):
        raise UsageError(f"the format {format!r} is unknown: needed onnx, snn, nir or sanafe")
    return _export_spiking(network, folder, format, placement, wishes)


def verify(
    network: Network,
    exported: Export,
    *,
    n_trials: int = 1000,
    seed: int = 1,
    **limits: float,
) -> Verification:
    """Run an exported file in the runtime that a user would take, against the network, as `neuromod verify` does.

    Parameters
    ----------
    network : Network
        What was exported; its `info` names its tasks.
    exported : Export
        From `export`.
    n_trials, seed : int
        Trials, drawn anew, and their seed.
    **limits : float
        ``max_error`` for ONNX; ``min_agreement`` and ``max_accuracy_gap`` for spiking formats.

    Returns
    -------
    Verification
        A file that does not behave as the network is reported in it, not raised.

    Raises
    ------
    UsageError
        If the network does not say what its tasks are, or the format has no runtime.

    Examples
    --------
    >>> import tempfile
    >>> import neuromod
    >>> net = neuromod.train(tasks="go", neurons=16, steps=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     neuromod.verify(net, neuromod.export(net, folder), n_trials=20).passed
    True
    """
    from neuromod.verification import RUNNERS

    if exported.format not in RUNNERS:
        raise UsageError(f"an export of the format {exported.format} is not verified here: it is a placement")
    options: dict[str, Any] = dict(limits)
    if exported.spiking is not None:
        options["spiking"] = exported.spiking
    try:
        figures = RUNNERS[exported.format](
            exported.target, network, placement=exported.placement, n_trials=n_trials, seed=seed, **options
        )
    except VerificationError as error:
        figures = {"verified": True, "passed": False, "reasons": [str(error)]}
    reasons = figures.get("reasons") or ([figures["reason"]] if figures.get("reason") else [])
    return Verification(exported.format, figures["passed"], figures["verified"], tuple(reasons), figures)


def _export_spiking(
    network: Network, folder: Path, format: Literal["snn", "nir"], placement: Placement | None, wishes: Wishes | None
) -> Export:
    from dataclasses import replace

    from neuromod.exporting import nir, snn
    from neuromod.substeps import Wishes, choose

    wishes = wishes or Wishes()
    if format == "snn":
        chosen = choose(network, wishes)
        target = folder / "snn"
        paths = snn.write(chosen.spiking, target, network=network, placement=placement)
        return Export(format, tuple(paths), target, placement, chosen, chosen.spiking)
    nir.nir_package()
    target = folder / "network.nir"
    if "nir" in network.info:
        return Export(format, (nir.save(nir.rebuild(network, placement=placement), target),), target, placement)
    # NIR has no words for a delay, a floor of the membrane or random input.
    chosen = choose(network, replace(wishes, mode="continuous", delay=0, floor=None, input="constant"))
    path = nir.write(chosen.spiking, target, network=network, placement=placement)
    return Export(format, (path,), target, placement, chosen, chosen.spiking)


def _export_sanafe(network: Network, folder: Path, placement: Placement | None) -> Export:
    from neuromod.exporting import sanafe

    if placement is None:
        raise UsageError("the format sanafe is about the placement; give placement=neuromod.place(network, …)")
    rates, target = find_activity(network).rates, load_target(placement.target)
    paths = sanafe.write(network, placement, rates, target, folder / "sanafe")
    return Export("sanafe", tuple(paths), folder / "sanafe", placement)
