"""How often each neuron is active, hence how often it sends a packet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neuromod.errors import UsageError
from neuromod.files import load_tensors, save_tensors
from neuromod.network import Network
from neuromod.trials import Trials

SCHEMA = "neuromod/activity/1"

Kind = Literal["active-steps", "spikes", "given", "file", "every-step"]

# Task trials on which the activity is counted, and their seed: apart from those that pruning was tuned on.
TRIALS, TRIALS_SEED = 256, 4_201

# Trials that run at once: the states of a batch are held in memory.
BATCH = 64


@dataclass(frozen=True, eq=False)
class Activity:
    """Mean activity of the neurons and of the input channels.

    Parameters
    ----------
    rates : (n,) float64, spikes per time step
        One spike for every step in which a neuron is active.
    input_rates : (n_in,) float64, events per time step
        Share of the steps in which an input channel is not zero.
    kind : str
        Where the rates come from: ``active-steps`` of the rate network on trials, ``spikes`` of the spiking network
        on trials, ``given`` with an imported network, a ``file`` of the user's, or ``every-step`` where nothing is
        known and every neuron counts once a step.
    steps : int
        Number of time steps that were counted, over all trials; 0 if nothing was.

    Raises
    ------
    UsageError
        If a rate is negative or not finite.
    """

    rates: npt.NDArray[np.float64]
    input_rates: npt.NDArray[np.float64]
    kind: str
    steps: int

    def __post_init__(self) -> None:
        for name in ("rates", "input_rates"):
            rates = np.array(getattr(self, name), np.float64)
            if rates.ndim != 1 or not np.isfinite(rates).all() or (rates < 0).any():
                raise UsageError(f"{name} must be one finite number not below 0 for each")
            rates.setflags(write=False)
            object.__setattr__(self, name, rates)

    def save(self, path: Path) -> None:
        """Write `activity.safetensors`."""
        tensors = {"rates": self.rates, "input_rates": self.input_rates}
        save_tensors(path, tensors, {"schema": SCHEMA, "kind": self.kind, "steps": self.steps})

    @classmethod
    def load(cls, path: Path) -> Activity:
        """Read what `save` wrote.

        Raises
        ------
        UsageError
            If the file is missing, corrupt or holds something else.
        """
        tensors, metadata = load_tensors(path, schema=SCHEMA)
        try:
            return cls(**tensors, kind=str(metadata["kind"]), steps=int(metadata["steps"]))
        except (KeyError, TypeError, ValueError, OverflowError, UsageError) as error:
            raise UsageError(
                f"cannot read {path}: it does not hold activity ({error}); run `neuromod.place`"
            ) from error


def count_active_steps(network: Network, trials: Trials) -> Activity:
    r"""Count the steps in which the neurons of a rate network are active.

    A neuron is active in a step in which its rectified drive :math:`r_t = \max(0, W_{rec} h_{t-1} + W_{in} x_t + b)`
    is above zero, that is, in which :math:`h_t > (1 - \alpha) h_{t-1}`. A neuron that merely leaks sends nothing.
    Steps after the end of a trial do not count.

    Parameters
    ----------
    network : Network
        The network.
    trials : Trials
        The trials that it runs on.

    Returns
    -------
    Activity
        Rates in active steps per step.
    """
    active = np.zeros(network.n, np.int64)
    events = np.zeros(network.n_in, np.int64)
    steps = 0
    for start in range(0, trials.inputs.shape[1], BATCH):
        batch = slice(start, start + BATCH)
        x, valid = trials.inputs[:, batch], trials.mask[:, batch]
        h = network.states(x)
        # The same product as in the dynamics, so that a neuron without drive compares as equal, bit for bit.
        decayed = np.concatenate([np.zeros_like(h[:1]), (1 - network.alpha) * h[:-1]])
        active += ((h > decayed) & valid[..., None]).sum(axis=(0, 1))
        events += ((x != 0) & valid[..., None]).sum(axis=(0, 1))
        steps += int(valid.sum())
    return Activity(active / steps, events / steps, "active-steps", steps)


def read_rates(path: Path, network: Network) -> Activity:
    """Read the rates of a user: ``.npy``, ``.npz`` with `rates`, or text with one number for each neuron.

    The order is that of the rows of ``placement.csv``. An ``.npz`` may bring `input_rates` too; else each input
    channel counts once a step.

    Raises
    ------
    UsageError
        If the file cannot be read or does not hold one number not below 0 for each neuron.
    """
    inputs = np.ones(network.n_in)
    try:
        if path.suffix in (".npy", ".npz"):
            held = np.load(path, allow_pickle=False)
            if isinstance(held, np.ndarray):
                rates = held
            else:
                with held:
                    rates, inputs = held["rates"], held.get("input_rates", inputs)
        else:
            rates = np.loadtxt(path, dtype=np.float64, ndmin=1, delimiter=",")
    except Exception as error:
        # A broken file makes zipfile, zlib and NumPy's parser of headers raise whatever they like.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"cannot read the rates in {path}: {reason}") from error
    for name, found, needed in (("rates", rates, network.n), ("input_rates", inputs, network.n_in)):
        if found.shape != (needed,) or found.dtype.kind not in "fiu":
            raise UsageError(f"{name} in {path} must be {needed:,} numbers, found {found.dtype} of shape {found.shape}")
    return Activity(rates, inputs, "file", 0)


def given(network: Network) -> Activity:
    """Activity of a network that brings its own `rates`, else one spike of every neuron in every step.

    Nothing is known about the inputs of such a network: each channel counts once a step.
    """
    inputs = np.ones(network.n_in)
    if network.rates is None:
        return Activity(np.ones(network.n), inputs, "every-step", 0)
    return Activity(network.rates.astype(np.float64), inputs, "given", 0)


def find_activity(network: Network, *, n_trials: int = TRIALS, seed: int = TRIALS_SEED) -> Activity:
    """Count active steps on trials of the network's tasks or on its training data, else take what it brings.

    Parameters
    ----------
    network : Network
        The network.
    n_trials, seed : int
        Trials and their seed: apart from those that pruning was tuned on.

    Returns
    -------
    Activity
        From `count_active_steps`, or from `given`.
    """
    from neuromod.metrics.accuracy import has_tasks, trials_for

    if not has_tasks(network):
        return given(network)
    return count_active_steps(network, trials_for(network, n_trials, seed=seed, split="train"))


def describe(activity: Activity) -> dict[str, Any]:
    """Return what the reports say about the activity, JSON only."""
    rates = activity.rates
    return {
        "kind": activity.kind,
        "steps": activity.steps,
        "mean_rate": float(rates.mean()),
        "silent_neurons": int((rates == 0).sum()),
    }
