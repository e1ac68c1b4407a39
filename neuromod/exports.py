"""Exports and their verification as functions on `Network`: files in a folder of the user's, no run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuromod.activity import find_activity
from neuromod.errors import UsageError, VerificationError
from neuromod.network import Network
from neuromod.notebook import html_table
from neuromod.placement import Placement
from neuromod.target_files import load_target

if TYPE_CHECKING:
    from neuromod.spiking import SpikingNetwork
    from neuromod.substeps import Conversion, Wishes

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
        from neuromod.exporting import onnx, onnx_int8

        paths = onnx.write(network, folder, placement=placement)
        paths += onnx_int8.write_int8(network, folder, placement=placement) if quantize else []
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
        A file that does not behave as the network is reported in it, not raised. Files with weights of 8 bits must
        pass, too; their figures are under ``int8``.

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

    def run(kind: str, **options: Any) -> dict[str, Any]:
        try:
            return RUNNERS[kind](
                exported.target, network, placement=exported.placement, n_trials=n_trials, seed=seed, **options
            )
        except VerificationError as error:
            return {"verified": True, "passed": False, "reasons": [str(error)]}

    figures = run(exported.format, **options)
    reasons = figures.get("reasons") or ([figures["reason"]] if figures.get("reason") else [])
    if any("int8" in path.name for path in exported.files):
        figures["int8"] = run("onnx_int8")
        reasons = [*reasons, *figures["int8"]["reasons"]]
        figures["passed"] = figures["passed"] and figures["int8"]["passed"]
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
