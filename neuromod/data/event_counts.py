"""Data as a chip's input channels take them: small counts of events, behind the low-pass of the synapses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.tasks import MOST_COUNTS, behind_low_pass
from neuromod.trials import Trials

# Share of the values of a channel that is never negative which its counts hold, in per cent.
_HELD = 99.9


def encoding_of(data: Trials, *, counts: float, alpha: float) -> dict[str, Any]:
    r"""Decide how the values of each channel become counts of 0 to 15 events a step, from the training trials alone.

    The count of a value x is :math:`clip(round(c (x - s)), 0, 15)`.

    - A channel that is negative anywhere: s is its mean, c is `counts` over its standard deviation, and it takes a
      second channel for :math:`s - x`.
    - One that never is: s is its smallest value and c such that 15 holds 99.9 % of the values.
    - Counts, as those of spikes: s is 0, and c the same for all channels, 1 where 15 holds 99.9 % of what is not 0.

    Parameters
    ----------
    data : Trials
        Data as they were read.
    counts : float
        Counts of a standard deviation.
    alpha : float
        Share of the low-pass that a step replaces.

    Returns
    -------
    dict
        ``counts`` (for an input of 1 of the network), ``alpha`` and ``channels``, one entry for each channel of the
        chip: ``name``, ``of`` (the number of the data's channel), ``sign``, ``shift`` and ``counts_per_unit``, as JSON
        holds them; the second channels follow all others.
    """
    train = data.part("train")
    rows = train.inputs[train.mask].astype(np.float64)
    signed = (rows < 0).any(axis=0)
    if data.source.get("counts") and not signed.any():
        shift = np.zeros(rows.shape[1])
        above = rows[rows > 0]
        largest = float(np.percentile(above, _HELD)) if len(above) else 1.0
        per_unit = np.full(rows.shape[1], min(1.0, MOST_COUNTS / largest))
    else:
        shift = np.where(signed, rows.mean(axis=0), rows.min(axis=0))
        held = np.percentile(rows - shift, _HELD, axis=0)
        spread = np.where(signed, rows.std(axis=0) / counts, held / MOST_COUNTS)
        per_unit = 1 / np.where(spread > 0, spread, 1.0)
    names = [f"channel {name}" if name.isdecimal() else name for name in data.channel_names]
    channels = [
        {
            "name": names[k] if sign > 0 else f"minus {names[k]}",
            "of": k,
            "sign": sign,
            "shift": float(shift[k]),
            "counts_per_unit": float(per_unit[k]),
        }
        for sign, own in ((1, range(rows.shape[1])), (-1, np.flatnonzero(signed).tolist()))
        for k in own
    ]
    found = {"counts": 1.0, "alpha": float(alpha), "channels": channels}
    shown = as_counts(train, found)
    # Inputs of a size that suits training: those of all channels together vary by 1.
    return {**found, "counts": float(shown.inputs[shown.mask].std()) or 1.0}


def as_counts(data: Trials, encoding: Mapping[str, Any]) -> Trials:
    """Return data whose inputs are what the synapses show of the counts, in units of `counts` events a step.

    Parameters
    ----------
    data : Trials
        Data as they were read.
    encoding : mapping
        From `encoding_of`; it goes into the ``source`` of the result, from which a run does the same again.

    Returns
    -------
    Trials
        One input for each channel of the chip.

    Raises
    ------
    UsageError
        If the encoding is none, or that of other data.

    Examples
    --------
    >>> import numpy as np
    >>> label = np.arange(20) % 2
    >>> data = Trials.from_arrays(np.where(label, 1.0, -1.0)[:, None, None].repeat(4, axis=1), label)
    >>> found = as_counts(data, encoding_of(data, counts=5, alpha=0.5))
    >>> (found.inputs[:, 1] * found.source["encoding"]["counts"]).round(2).tolist(), found.channel_names
    ([[2.5, 0.0], [3.75, 0.0], [4.38, 0.0], [4.69, 0.0]], ('channel 0', 'minus channel 0'))
    """
    try:
        counts, alpha = float(encoding["counts"]), float(encoding["alpha"])
        channels: Sequence[Mapping[str, Any]] = encoding["channels"]
        of, sign = (np.array([channel[key] for channel in channels], np.int64) for key in ("of", "sign"))
        shift, per_unit = (
            np.array([channel[key] for channel in channels], np.float64) for key in ("shift", "counts_per_unit")
        )
        names = tuple(str(channel["name"]) for channel in channels)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"how {data.names[0]} become counts is unreadable ({error!r}); train again") from error
    if set(of.tolist()) != set(range(data.inputs.shape[2])):
        raise UsageError(f"{data.names[0]} have {data.inputs.shape[2]} channels, but not those that become counts")
    scaled = sign * (data.inputs[..., of] - shift) * per_unit / counts
    low = behind_low_pass(replace(data, inputs=scaled * data.mask[..., None]), counts=counts, alpha=alpha)
    # What the low-pass still holds after a trial's end is no input.
    inputs = (low.inputs * data.mask[..., None]).astype(np.float32)
    return replace(
        data, inputs=inputs, channel_names=names, source={**data.source, "counts": True, "encoding": dict(encoding)}
    )
