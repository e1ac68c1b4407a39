"""Where a network that is finished has its answer to a trial, if nobody says it."""

from __future__ import annotations

from dataclasses import replace

from neuromod.metrics import scores
from neuromod.network import Network
from neuromod.trials import Trials, outputs

# What one answer a trial may be read as, of equals the first.
OPEN_READOUTS = ("mean", "last")


def with_fitting_readout(network: Network, data: Trials) -> Trials:
    """Return data with the readout by which a network answers them.

    It is the one that the network says it was trained with, else that of the smaller loss on the training and
    validation trials; ``readout_losses`` of `source` then has both. The test trials have no say.

    Parameters
    ----------
    network : Network
        It takes the data's inputs, see `with_data`; what it was trained with stands in its `info`.
    data : Trials
        The data. Those with an answer at every step, or trials of one step, stay as they are.
    """
    if data.readout == "every" or len(data.mask) == 1:
        return data
    learned = network.info.get("data")
    known = learned.get("readout") if isinstance(learned, dict) else None
    if known in OPEN_READOUTS:
        return replace(data, readout=known)
    seen = data.part("seen")
    y = network.run(seen.inputs)[0]
    parts = {name: replace(seen, readout=name) for name in OPEN_READOUTS}
    losses = {name: scores.loss(part.answers, outputs(y, part)) for name, part in parts.items()}
    return replace(
        data,
        readout=min(losses, key=lambda name: losses[name]),
        source={**data.source, "readout_losses": {name: round(loss, 4) for name, loss in losses.items()}},
    )
