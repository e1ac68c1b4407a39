"""Exports of several formats at once, all or none: what the library and the command both call."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from neuromod.errors import UsageError
from neuromod.exporting.formats import FORMATS, options_of
from neuromod.exporting.writers import Job, Written
from neuromod.files import publishing
from neuromod.mapping import Placement
from neuromod.metrics import has_tasks
from neuromod.network import Network


def write_all(job: Job, names: Iterable[str], *, references: Path | None = None) -> dict[str, Written]:
    """Write formats; nothing is touched unless all of them can be written.

    What an earlier export of the same format left, as files of 8 bits that are not asked for any more, goes.

    Parameters
    ----------
    job : Job
        The network, the folder and what is wanted; its `options` may be those of all formats.
    names : iterable of str
        The formats, keys of `FORMATS`.
    references : Path, optional
        A folder beside `job.folder`, to which the spiking networks that were exported are saved.

    Returns
    -------
    dict of str to Written
        For each format.

    Raises
    ------
    UsageError
        If one of them cannot be written; what was there before is untouched.
    """
    names = list(names)
    for name in names:
        check(job.network, job.placement, name)
    root, inside = (job.folder, "") if references is None else (job.folder.parent, job.folder.name)
    kept = "" if references is None else references.name
    found = [variant for name in names for variant in FORMATS[name].variants.values()]
    old = [str(Path(inside, file)) for variant in found for file in variant.files]
    old += [str(Path(kept, variant.reference)) for variant in found if kept and variant.reference]
    done: dict[str, Written] = {}
    with publishing(root, (inside or ".", *([kept] if kept else [])), old=old) as staged:
        folder = staged / inside
        folder.mkdir(exist_ok=True)
        for name in names:
            begun = time.monotonic()
            written = FORMATS[name].write(replace(job, folder=folder, options=options_of(name, job.options)))
            if kept:
                for kind, chosen in written.conversions.items():
                    chosen.spiking.save(staged / kept / FORMATS[name].variants[kind].reference)
            files = tuple(job.folder / path.relative_to(folder) for path in written.files)
            done[name] = replace(written, files=files, seconds=round(time.monotonic() - begun, 3))
    return done


def check(network: Network, placement: Placement | None, name: str) -> None:
    """Refuse a format that a network cannot be written in, before anything is computed.

    Raises
    ------
    UsageError
        With the reason.
    """
    if name not in FORMATS:
        *others, last = FORMATS
        raise UsageError(f"the format {name!r} is unknown: needed {', '.join(others)} or {last}")
    format = FORMATS[name]
    spikes = "nir" in network.info
    if spikes and not format.takes_spikes:
        raise UsageError(f"a network imported from NIR is spiking, which the format {name} cannot say; use nir")
    if format.needs_tasks and not spikes and not has_tasks(network):
        raise UsageError(
            f"the format {name} is calibrated on trials of the network's tasks, and this network names none; "
            "the format onnx needs none, and a network that spikes already can be imported as NIR"
        )
    if format.needs_placement and placement is None:
        raise UsageError(f"the format {name} is about the placement; give placement=neuromod.place(network, …)")


def check_options(name: str, given: Mapping[str, object]) -> None:
    """Refuse options that a format does not have, or not with this value.

    Raises
    ------
    UsageError
        With what there is.
    """
    options = FORMATS[name].options
    for key, value in given.items():
        if key not in options:
            known = f"it has {', '.join(options)}" if options else "it has none"
            raise UsageError(f"{key} is no option of the format {name}; {known}")
        if value != options[key].default and value not in options[key].choices:
            raise UsageError(f"{key} is {value!r}; needed {' or '.join(map(repr, options[key].choices))}")
