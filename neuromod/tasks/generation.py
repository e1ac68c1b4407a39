"""`generate`: trials of any tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuromod.errors import UsageError
from neuromod.tasks.catalogue import FOREIGN, find, resolve
from neuromod.tasks.design import RING, draw
from neuromod.tasks.foreign import generate_foreign
from neuromod.tasks.rendering import render
from neuromod.tasks.rings import check_ring, on_ring
from neuromod.trials import Array, Trials

# Above this, the decision period of 200 ms would vanish.
MAX_DT_MS = 200

Seed = int | np.random.SeedSequence | np.random.Generator


def generate(
    names: str | Sequence[str],
    n_trials: int,
    *,
    seed: Seed,
    dt_ms: float = 100,
    noise: bool = True,
    semantics: str = "go-cue",
    strict: bool = False,
    ring: int = RING,
    shares: Sequence[float] | Array | None = None,
) -> Trials:
    """Make trials of tasks, in random order, as many of each as of the others unless shares are given.

    Parameters
    ----------
    names : str or sequence of str
        What `resolve` takes: ``"yang19"``, ``"go"``, ``["go", "dm1"]``, ``"modcog"``, ``"neurogym:GoNogo-v0"``.
    n_trials : int
        Number of trials in all. If it is no multiple of the number of tasks, tasks drawn at random get one more.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness; equal seeds give equal trials.
    dt_ms : float, default 100
        Time step, a whole number of milliseconds from 1 to 200. Periods are floored to multiples of it.
    noise : bool, default True
        Add N(0, 1 / dt_ms) to the stimuli of the families that have noise. The trials are the same without.
    semantics : {"go-cue", "neurogym-2.3"}
        The meaning of yang19 in NeuroGym up to 2.0.0, in which the end of the fixation cue tells when to answer, or the
        present one, in which it ends before the stimuli in the decision and match families.
    strict : bool, default False
        Mod-Cog as published, with its slips; see `neuromod.tasks.modcog`.
    ring : {16, 8, 4}
        Positions of the rings; 16 is what is published. On smaller ones, inputs are 1 + 2 `ring` + k wide, where k is
        the number of tasks asked for, so that some fit the few channels of a chip.
    shares : sequence of float, optional
        Share of the trials that each task gets, in the order of `resolve`; only their ratios count. The number of a
        task's trials is its share of `n_trials`, rounded up or down at random.

    Returns
    -------
    Trials
        With inputs 33 + k wide, where k is the number of tasks in the collection, whatever tasks of it were asked for:
        53 for yang19, 115 for modcog, 126 for modcog93.

    Raises
    ------
    UsageError
        If an argument is out of range or a task is unknown.

    Examples
    --------
    >>> from neuromod.tasks import generate
    >>> trials = generate(["go", "dms"], 10, seed=0)
    >>> trials.inputs.shape, sorted(set(trials.mask.sum(axis=0).tolist()))
    ((32, 10, 53), [15, 32])
    """
    dt = _checked_dt(dt_ms)
    if isinstance(n_trials, bool) or not isinstance(n_trials, (int, np.integer)) or n_trials < 1:
        raise UsageError(f"the number of trials must be a whole number above 0, found {n_trials}")
    rng = _generator(seed)
    chosen = resolve(names)
    if chosen[0].startswith(FOREIGN):
        if (noise, semantics, strict) != (True, "go-cue", False):
            raise UsageError(f"{chosen[0]} is made by NeuroGym: its noise and meaning cannot be chosen here")
        if ring != RING:
            raise UsageError(f"{chosen[0]} is made by NeuroGym: its ring cannot be chosen here")
        if shares is not None:
            raise UsageError(f"{chosen[0]} is made by NeuroGym: it is one task, which needs no shares")
        return generate_foreign(chosen[0], int(n_trials), dt_ms=dt, rng=rng)
    tasks, rules, n_rules = find(chosen, semantics=semantics, strict=strict)
    if shares is None:
        task = spread(len(tasks), int(n_trials), rng)
    else:
        task = spread_by(_checked_shares(shares, len(tasks)), int(n_trials), rng)
    check_ring(ring, chosen)
    design = draw(tasks, task, rules[task], rng, ring=ring)
    trials = render(design, tasks, n_rules=n_rules, dt_ms=dt, rng=rng if noise else None)
    return trials if ring == RING else on_ring(trials, ring, rules)


def spread(n_tasks: int, n_trials: int, rng: np.random.Generator) -> Array:
    """Task of each trial, (n_trials,) int64: as many of each as of the others, in random order."""
    repeats, rest = divmod(n_trials, n_tasks)
    extra = rng.choice(n_tasks, size=rest, replace=False)
    task: Array = np.concatenate([np.repeat(np.arange(n_tasks), repeats), extra])
    rng.shuffle(task)
    return task


def spread_by(shares: Array, n_trials: int, rng: np.random.Generator) -> Array:
    """Task of each trial, (n_trials,) int64: each task's share, rounded up or down at random, in random order.

    Systematic sampling: equally spaced points, moved together by a random part of their distance.
    """
    edges = np.cumsum(shares / shares.sum())
    points = (np.arange(n_trials) + rng.random()) / n_trials
    last = np.flatnonzero(shares)[-1]
    task: Array = np.minimum(np.searchsorted(edges, points, side="right"), last)
    rng.shuffle(task)
    return task


def _checked_shares(shares: Sequence[float] | Array, n_tasks: int) -> Array:
    found = np.asarray(shares, dtype=float)
    if found.shape != (n_tasks,) or not np.isfinite(found).all() or (found < 0).any() or not found.any():
        raise UsageError(
            f"shares must be {n_tasks} numbers, one for each task, none below 0 and not all 0, found {shares}"
        )
    return found


def _checked_dt(dt_ms: float) -> int:
    # Times that went through seconds come back as 100.00000000000001; floored, that would cost a step.
    whole = round(dt_ms) if isinstance(dt_ms, (int, float, np.number)) and np.isfinite(dt_ms) else 0
    if not 1 <= whole <= MAX_DT_MS or abs(dt_ms - whole) > 1e-4:
        raise UsageError(f"dt_ms must be a whole number of milliseconds from 1 to {MAX_DT_MS}, found {dt_ms}")
    return whole


def _generator(seed: Seed) -> np.random.Generator:
    try:
        if seed is None:
            raise TypeError
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the seed must be a whole number from 0, found {seed!r}") from error
