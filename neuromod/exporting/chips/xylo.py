"""Xylo: the arrays that Rockpool's specification takes, and an example that runs them in SynSense's simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips import XyloNetwork
from neuromod.exporting.chips.folder import read_network, write_folder
from neuromod.network import Network

# How inputs become events of the chip's channels: of a network that learned counts, and of any other.
_CODED = (
    "events of channel c in a step: clip(round(sign * (x[of] - shift) * counts_per_unit), 0, 15) of the values x of "
    "the step, with what `encoding` says of c"
)
_FOLLOWED = (
    "events of channel c in step t: whole numbers e of 0 to 15 with a[t] = (1 - alpha) a[t-1] + e[t] nearest to "
    "counts_per_unit * x[t] / (1 - alpha); a negative e goes to the channel of the minus input"
)

# Trials in the folder, for the example.
_SHOWN = 20


def write(
    integers: XyloNetwork,
    folder: Path,
    *,
    network: Network,
    x: Array,
    chip: str = "xylo-a2",
    more: dict[str, Any] | None = None,
) -> list[Path]:
    """Write a folder that a person with the board, or xylosim, loads.

    Parameters
    ----------
    integers : XyloNetwork
        What to write.
    folder : Path
        Where to.
    network : Network
        The rate network that it was made from.
    x : (time, trials, n_in)
        Inputs of the rate network; the first trials go into the folder with what is expected.
    chip : str
        Name of the hardware target.
    more : dict, optional
        Further entries of ``network.json``, as those of the calibration.

    Returns
    -------
    list of Path
        ``network.safetensors``, ``network.json``, ``trials.safetensors``, ``example.py`` and ``tensors.py``.
    """
    counts = integers.encode(x[:, :_SHOWN])
    response = integers.run(counts)
    trials: dict[str, Array] = {
        "counts": counts.astype(np.uint8),
        "spikes": response.spikes.astype(np.uint8),
        "current": response.current.astype(np.int16),
        "membrane": response.membrane.astype(np.int16),
        "readout": response.readout.astype(np.int16),
    }
    return write_folder(
        folder, "xylo", arrays=integers.arrays(), about=about(integers, network, chip) | (more or {}), trials=trials
    )


def about(integers: XyloNetwork, network: Network, chip: str) -> dict[str, Any]:
    """Return what ``network.json`` says of the network itself."""
    coded = encoding(network)
    channels = [entry["name"] for entry in coded] or [f"input {k}" for k in range(network.n_in)]
    channels += [f"minus {channels[k]}" for k in np.flatnonzero(integers.signed).tolist()]
    return {
        "chip": chip,
        "network_sha256": network.sha256(),
        "alpha": f"2**-{int(integers.dash_syn.max(initial=0))}",
        "neurons": integers.n,
        "channels": channels,
        "outputs": network.n_out,
        "input": _CODED if coded else _FOLLOWED,
        **({"encoding": coded} if coded else {}),
        "readout": "y = readout_scale * current of the output neuron, one step later, + readout_offset",
        **integers.scales(),
    }


def encoding(network: Network) -> list[dict[str, Any]]:
    """Return how values of the data that a network learned as counts become counts, one entry for each channel."""
    about_data = network.info.get("data")
    coded = about_data.get("encoding") if isinstance(about_data, dict) else None
    return [dict(entry) for entry in coded["channels"]] if isinstance(coded, dict) else []


def read(folder: Path) -> XyloNetwork:
    """Read the network of a folder.

    Raises
    ------
    VerificationError
        If it is not what `write` left there.
    """
    return read_network(folder, "xylo", XyloNetwork, "Xylo")
