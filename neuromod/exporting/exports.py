"""Exports and their verification as functions on `Network`: files in a folder of the user's, no run directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neuromod.errors import UsageError
from neuromod.mapping import Placement
from neuromod.network import Network
from neuromod.notebook import html_table

if TYPE_CHECKING:
    from neuromod.hardware import Target
    from neuromod.metrics import Activity
    from neuromod.spiking import Conversion, ConversionSettings, SpikingNetwork

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
    from neuromod.spiking import ConversionSettings

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
