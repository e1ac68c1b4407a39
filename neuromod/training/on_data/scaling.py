"""Standardising channels on the training trials, and folding the scale into the weights: exports take raw values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuromod.trials import Trials

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """How raw values become those that a network learns on: x' = (x - shift) / scale.

    Parameters
    ----------
    shift, scale : (n_in,) float64
        Of the inputs.
    out_shift, out_scale : (n_out,) float64
        Of the values that are wanted; 0 and 1 for classes.
    """

    shift: Vector
    scale: Vector
    out_shift: Vector
    out_scale: Vector


def fit(train: Trials) -> Scaling:
    """Mean and standard deviation of the training trials.

    Counts, as those of spikes, are not shifted and share one scale, so that silence stays 0 and a channel that is
    seldom active does not become a loud one.

    Parameters
    ----------
    train : Trials
        The training trials.
    """
    steps = train.inputs[train.mask].astype(np.float64)
    n_in, n_out = steps.shape[1], train.n_classes
    if "encoding" in train.source:
        # Counts were scaled before, and are rounded in their own units.
        shift, scale = np.zeros(n_in), np.ones(n_in)
    elif train.source.get("counts"):
        shift, scale = np.zeros(n_in), np.full(n_in, steps.std() or 1.0)
    else:
        shift, scale = steps.mean(axis=0), steps.std(axis=0)
    out_shift, out_scale = np.zeros(n_out), np.ones(n_out)
    if train.values:
        wanted = train.answers.astype(np.float64)
        out_shift, out_scale = wanted.mean(axis=0), wanted.std(axis=0)
    return Scaling(shift, _not_zero(scale), out_shift, _not_zero(out_scale))


def _not_zero(scale: Vector) -> Vector:
    return np.where(scale > 0, scale, 1.0)


def standardised(trials: Trials, scaling: Scaling) -> Trials:
    """Return the trials as the network learns them; zero after their ends."""
    from dataclasses import replace

    inputs = ((trials.inputs - scaling.shift) / scaling.scale * trials.mask[..., None]).astype(np.float32)
    targets = trials.targets
    if trials.values:
        targets = ((targets - scaling.out_shift) / scaling.out_scale).astype(np.float32)
    return replace(trials, inputs=inputs, targets=targets)


def folded(arrays: dict[str, npt.NDArray[np.float32]], scaling: Scaling) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights of a network that takes raw values and returns raw values, and does the same.

    Parameters
    ----------
    arrays : dict of str to array
        ``w_in`` (n, n_in), ``bias`` (n,), ``w_out`` (n_out, n) and ``bias_out`` (n_out,) as learned.
    scaling : Scaling
        Under which they were learned.
    """
    w_in, w_out = arrays["w_in"].astype(np.float64), arrays["w_out"].astype(np.float64)
    raw = w_in / scaling.scale
    found = {
        "w_in": raw,
        "bias": arrays["bias"] - raw @ scaling.shift,
        "w_out": w_out * scaling.out_scale[:, None],
        "bias_out": arrays["bias_out"] * scaling.out_scale + scaling.out_shift,
    }
    return {**arrays, **{name: array.astype(np.float32) for name, array in found.items()}}


def unfolded(arrays: dict[str, npt.NDArray[np.float32]], scaling: Scaling) -> dict[str, npt.NDArray[np.float32]]:
    """Return the weights that `folded` makes these of: those of a network that goes on learning on scaled values."""
    raw = arrays["w_in"].astype(np.float64)
    found = {
        "w_in": raw * scaling.scale,
        "bias": arrays["bias"] + raw @ scaling.shift,
        "w_out": arrays["w_out"] / scaling.out_scale[:, None],
        "bias_out": (arrays["bias_out"] - scaling.out_shift) / scaling.out_scale,
    }
    return {**arrays, **{name: array.astype(np.float32) for name, array in found.items()}}
