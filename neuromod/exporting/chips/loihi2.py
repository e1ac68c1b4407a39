"""Loihi 2: rectified units with graded spikes for Lava, on the cores of a placement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips import Loihi2Network
from neuromod.exporting.chips.folder import read_network, write_folder
from neuromod.network import Network

# Trials in the folder, for the example.
_SHOWN = 5


def write(
    integers: Loihi2Network,
    folder: Path,
    *,
    network: Network,
    x: Array,
    chip: str = "loihi2",
    more: dict[str, Any] | None = None,
) -> list[Path]:
    """Write a folder that Lava runs.

    Parameters
    ----------
    integers : Loihi2Network
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
        The files.
    """
    messages = integers.encode(x[:, :_SHOWN])
    response = integers.run(messages)
    trials: dict[str, Array] = {
        "messages": messages.astype(np.int16),
        "kept": response.kept.astype(np.int32),
        "fresh": response.fresh.astype(np.int32),
    }
    said = about(integers, network, chip) | (more or {})
    return write_folder(folder, "loihi2", arrays=integers.arrays(), about=said, trials=trials)


def about(integers: Loihi2Network, network: Network, chip: str) -> dict[str, Any]:
    """Return what ``network.json`` says of the network itself."""
    return {
        "chip": chip,
        "network_sha256": network.sha256(),
        "neurons": integers.n,
        "units": 2 * integers.n,
        "cores": len(np.unique(integers.core)),
        "channels": [f"input {k}" for k in range(network.n_in)],
        "outputs": network.n_out,
        "bias": "payloads of a source that is always on",
        "input": "messages round(input_scale * x) of 16 bits in every step",
        "readout": "y = weights_out (level * (kept + fresh)) + readout_offset, by the host",
        **integers.scales(),
    }


def read(folder: Path) -> Loihi2Network:
    """Read the network of a folder.

    Raises
    ------
    VerificationError
        If it is not what `write` left there.
    """
    return read_network(folder, "loihi2", Loihi2Network, "Loihi 2")
