"""Trials of any NeuroGym environment, one after the other: slow, but nothing has to be rewritten."""

from __future__ import annotations

import difflib
import warnings
from importlib import import_module
from typing import Any

import numpy as np

from neuromod.errors import UsageError
from neuromod.trials import Array, Trials


def generate_foreign(name: str, n_trials: int, *, dt_ms: int, rng: np.random.Generator) -> Trials:
    """Make trials of the NeuroGym environment that ``neurogym:ENV`` names.

    Parameters
    ----------
    name : str
        As ``neurogym:PerceptualDecisionMaking-v0``.
    n_trials : int
        Number of trials.
    dt_ms : int
        Time step in ms.
    rng : numpy.random.Generator
        Seeds the environment. The few environments that also use NumPy's global generator do not follow it.

    Returns
    -------
    Trials
        Inputs are as wide as the environment's observations, without a rule unit. Where answers lie before the last
        step, `Trials.read` says where they are; see `steps_read`.

    Raises
    ------
    UsageError
        If NeuroGym is not installed, has no such environment, or the environment does not say which of its actions is
        right at each step.
    """
    env = _make(name, dt_ms)
    n_classes = getattr(env.action_space, "n", None)
    observed, wanted = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env.get_wrapper_attr("seed")(int(rng.integers(2**31)))
        new_trial = env.get_wrapper_attr("new_trial")
        for _ in range(n_trials):
            new_trial()
            inner = env.unwrapped
            targets = getattr(inner, "gt", None)
            if n_classes is None or targets is None or np.ndim(targets) != 1:
                raise UsageError(
                    f"{name} cannot be learnt from trials: it does not say which of a number of actions is right at "
                    "each step; choose an environment with a discrete action space and a ground truth"
                )
            if not 0 <= np.min(targets) <= np.max(targets) < n_classes:
                raise UsageError(
                    f"{name} cannot be learnt from trials: it calls action {np.max(targets)} right, needed one of its "
                    f"actions 0 to {n_classes - 1}; choose another environment"
                )
            observed.append(np.asarray(inner.ob, np.float32).reshape(len(targets), -1).copy())
            wanted.append(np.asarray(targets, np.int64).copy())
    lengths = np.array([len(targets) for targets in wanted])
    inputs = np.zeros((lengths.max(), n_trials, observed[0].shape[1]), np.float32)
    targets = np.zeros((lengths.max(), n_trials), np.int64)
    read = np.zeros((lengths.max(), n_trials), bool)
    for i, length in enumerate(lengths):
        inputs[:length, i], targets[:length, i], read[:length, i] = observed[i], wanted[i], steps_read(wanted[i])
    at_the_end = read.sum() == n_trials and read[lengths - 1, np.arange(n_trials)].all()
    return Trials(
        inputs=inputs,
        targets=targets,
        mask=np.arange(lengths.max())[:, None] < lengths,
        task=np.zeros(n_trials, np.int64),
        names=(name,),
        n_classes=int(n_classes),  # type: ignore[arg-type]
        readout="last" if at_the_end else "every",
        read=None if at_the_end else read,
    )


def where_read(trials: Trials) -> str | None:
    """Say in words where answers are read, if that is not the last step of each trial of an environment."""
    if trials.read is None or not trials.names[0].startswith("neurogym:"):
        return None
    timed = (trials.answers == 0).any()
    before = " and, where it is over before the trial is, at the step before it begins" if timed else ""
    return (
        f"accuracy is read at the last step of each answer{before}: {len(trials.answers) / trials.n_trials:.2g} a trial"
    )


def steps_read(targets: Array) -> Array:
    """Say at which steps of a trial there is an answer to be read.

    At the last step of every answer; at the last step of the trial, if it wants none. If the answer is over before the
    trial is, when it is given is what matters, so the network must also wait at the step before it begins: neither
    one that never answers nor one that always does is right throughout.

    Parameters
    ----------
    targets : (time,) int64
        Action wanted at each step, 0 = fixate.

    Returns
    -------
    (time,) bool
    """
    changes = np.append(targets[1:] != targets[:-1], True)
    read: Array = changes & (targets != 0)
    if targets[-1] == 0 and read.any():
        read[:-1] |= (targets[:-1] == 0) & (targets[1:] != 0)
    elif targets[-1] == 0:
        read[-1] = True
    return read


def _make(name: str, dt_ms: int) -> Any:
    env_name = name.partition(":")[2]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            neurogym = import_module("neurogym")
    except ImportError as error:
        missing = "" if error.name in (None, "neurogym") else f" with {error.name}, which it needs"
        raise UsageError(f"{name} needs NeuroGym{missing}, which is not installed; `pip install neurogym`") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return neurogym.make(env_name, dt=dt_ms)
    except Exception as error:  # NeuroGym and gymnasium raise a dozen kinds
        registry = import_module("gymnasium").registry
        known = [key for key, spec in registry.items() if str(spec.entry_point).startswith("neurogym")]
        near = difflib.get_close_matches(env_name, known, n=1)
        if env_name in known:
            hint = "choose another, or another time step"
        else:
            hint = f"did you mean 'neurogym:{near[0]}'?" if near else "NeuroGym's documentation lists what it has"
        raise UsageError(f"NeuroGym cannot make '{env_name}' ({str(error).rstrip('.')}); {hint}") from error
