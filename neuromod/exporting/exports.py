"""Exports and their verification as functions on `Network`: files in a folder of the user's, no run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuromod.errors import UsageError
from neuromod.mapping.placement import Placement
from neuromod.network import Network
from neuromod.notebook import html_table

if TYPE_CHECKING:
    from neuromod.hardware.targets import Target
    from neuromod.metrics.activity import Activity
    from neuromod.spiking.network import SpikingNetwork
    from neuromod.spiking.selection import Conversion
    from neuromod.spiking.settings import ConversionSettings

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
        The spiking network that was written; of several the first.
    targets : mapping of str to Path
        What the runner of each variant is given, as ``onnx`` and ``onnx_int8``, or ``nir`` and ``nir_hard``.
    references : mapping of str to SpikingNetwork
        The spiking network of each variant that has one.
    """

    format: Format
    files: tuple[Path, ...]
    target: Path
    placement: Placement | None = None
    conversion: Conversion | None = None
    spiking: SpikingNetwork | None = None
    targets: Mapping[str, Path] = field(default_factory=dict)
    references: Mapping[str, SpikingNetwork] = field(default_factory=dict)

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
    target: Target | None = None,
    activity: Activity | None = None,
    settings: ConversionSettings | None = None,
    wishes: ConversionSettings | None = None,
    **options: Any,
) -> Export:
    """Write a network so that other runtimes load it, as `neuromod export` does.

    Parameters
    ----------
    network : Network
        What to export.
    folder : Path or str
        Where to: ``network.onnx`` and ``network_step.onnx``, the folder ``snn``, ``network.nir`` (soft reset) and
        ``network_hard.nir``, or the folder ``sanafe``. All files are written, or none is touched.
    format : {'onnx', 'snn', 'nir', 'sanafe'}
        What to write.
    placement : Placement, optional
        Cores of the neurons, for the metadata; ``sanafe`` needs it.
    target : Target, optional
        For ``sanafe``: whose figures it gets; if omitted those of the target that the placement was made for.
    activity : Activity, optional
        For ``sanafe``: how often each neuron sends; `activity.find_activity` if omitted.
    settings : ConversionSettings, optional
        What the spiking network is to be like, see `substeps.ConversionSettings`; for ``snn`` and ``nir``.
    wishes : ConversionSettings, optional
        The name that `settings` had in 0.1.0.
    **options : str
        ``quantize="int8"`` for ``onnx``: also write files with weights of 8 bits. ``nir_form="literal"`` for ``nir``:
        neurons and traces as nodes of their own.

    Returns
    -------
    Export
        The files, and what `verify` needs.

    Raises
    ------
    UsageError
        If the format or an option is unknown, a package is missing, the network cannot be said in the format, or the
        folder cannot be written.

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
    from neuromod.exporting.formats import FORMATS
    from neuromod.exporting.writers import Job
    from neuromod.exporting.writing import check, check_options, write_all
    from neuromod.spiking.settings import ConversionSettings

    if settings is not None and wishes is not None:
        raise UsageError("settings and wishes are two names of the same: give one, not both")
    check(network, placement, format)
    check_options(format, options)
    folder = Path(folder)
    job = Job(
        network,
        folder,
        placement,
        target,
        settings or wishes or ConversionSettings(),
        options,
        rates=None if activity is None else lambda: activity.rates,
    )
    done = write_all(job, [format])[format]
    targets = {
        kind: folder / variant.target
        for kind, variant in FORMATS[format].variants.items()
        if all(any((folder / file) in (path, *path.parents) for path in done.files) for file in variant.files)
    }
    chosen = next(iter(done.conversions.values()), None)
    return Export(
        format,
        done.files,
        next(iter(targets.values()), done.files[0].parent),
        placement,
        chosen,
        chosen.spiking if chosen else None,
        targets,
        {kind: found.spiking for kind, found in done.conversions.items()},
    )


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
        ``max_error`` for ONNX, and ``max_accuracy_drop`` for its files of 8 bits; ``min_agreement`` and
        ``max_accuracy_gap`` for spiking formats.

    Returns
    -------
    Verification
        A file that does not behave as the network is reported in it, not raised, and so is what cannot be verified.
        All variants that were written must pass; figures of the second one are under ``int8`` or ``hard``.

    Raises
    ------
    UsageError
        If a limit is not one of the format's.

    Examples
    --------
    >>> import tempfile
    >>> import neuromod
    >>> net = neuromod.train(tasks="go", neurons=16, steps=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     neuromod.verify(net, neuromod.export(net, folder), n_trials=20).passed
    True
    """
    from neuromod.exporting.formats import FORMATS
    from neuromod.verification.runners import limits_of, verify_variant

    format = FORMATS[exported.format]
    known = {limit: None for kind in format.variants for limit in limits_of(kind)}
    for limit in limits:
        if limit not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{limit} is no limit of the format {exported.format}; {there}")
    if not exported.targets:
        reason = f"nothing here runs the format {exported.format}: {format.proof.format(folder=exported.target.parent)}"
        return Verification(exported.format, False, False, (reason,), {"verified": False, "passed": False})
    parts = {
        kind: verify_variant(
            kind,
            target,
            network,
            spiking=exported.references.get(kind),
            placement=exported.placement,
            n_trials=n_trials,
            seed=seed,
            limits=limits,
        )
        for kind, target in exported.targets.items()
    }
    verified = [part for part in parts.values() if part["verified"]]
    passed = bool(verified) and all(part["passed"] for part in verified)
    reasons = [why for part in parts.values() for why in part.get("reasons") or [part.get("reason")] if why]
    first, *others = parts
    more = {kind.removeprefix(f"{exported.format}_"): parts[kind] for kind in others}
    figures = {**parts[first], **more, "passed": passed, "verified": bool(verified)}
    return Verification(exported.format, passed, bool(verified), tuple(reasons), figures)
