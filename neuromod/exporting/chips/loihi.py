"""Loihi: integrate-and-fire neurons for Lava, nengo-loihi and brian2-loihi, on the cores of a placement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neuromod.arrays import Array
from neuromod.chips import LoihiNetwork
from neuromod.exporting.chips.folder import read_network, write_folder
from neuromod.network import Network

# Trials in the folder, for the example.
_SHOWN = 5


def write(
    integers: LoihiNetwork,
    folder: Path,
    *,
    network: Network,
    x: Array,
    chip: str = "loihi1",
    more: dict[str, Any] | None = None,
) -> list[Path]:
    """Write a folder that Lava, nengo-loihi or brian2-loihi runs.

    Parameters
    ----------
    integers : LoihiNetwork
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
    events = integers.encode(x[:, :_SHOWN])
    response = integers.run(events)
    trials: dict[str, Array] = {
        "events": events.astype(np.uint8),
        "spikes": response.spikes.astype(np.uint8),
        "u": response.u.astype(np.int32),
        "v": response.v.astype(np.int32),
    }
    said = about(integers, network, chip) | (more or {})
    return write_folder(folder, "loihi", arrays=integers.arrays(), about=said, trials=trials)


def about(integers: LoihiNetwork, network: Network, chip: str) -> dict[str, Any]:
    """Return what ``network.json`` says of the network itself."""
    channels = [*(f"input {k}" for k in range(network.n_in)), "always 1, for the biases"]
    channels += [f"minus input {k}" for k in np.flatnonzero(integers.signed).tolist()]
    return {
        "chip": chip,
        "network_sha256": network.sha256(),
        "neurons": integers.n,
        "cores": len(np.unique(integers.core)),
        "channels": channels,
        "outputs": network.n_out,
        "bias": "weights of one more input channel, whose input is always 1; the chip's own bias is not used",
        "input": "spikes e of a channel, 0 or 1 in a substep, with a[k] = (1 - (du + 1) / 4096) a[k-1] + e[k] nearest "
        "to x[t] / (input_peak * (du + 1) / 4096); a negative e goes to the channel of the minus input",
        "readout": "f[k] = (1 - (du + 1) / 4096) f[k-1] + (du + 1) / 4096 * spikes[k], by the host; "
        "y = weights_out f + readout_offset at the last substep of a time step",
        **integers.scales(),
    }


def read(folder: Path) -> LoihiNetwork:
    """Read the network of a folder.

    Raises
    ------
    VerificationError
        If it is not what `write` left there.
    """
    return read_network(folder, "loihi", LoihiNetwork, "Loihi")
