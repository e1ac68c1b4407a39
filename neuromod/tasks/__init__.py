"""Trials of cognitive tasks, drawn and rendered for a whole batch at once."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from neuromod.errors import UsageError
from neuromod.tasks import yang19
from neuromod.tasks.design import Task, draw
from neuromod.tasks.rendering import render
from neuromod.tasks.trials import Array, Trials, decisions

__all__ = ["COLLECTIONS", "SEMANTICS", "Seed", "Task", "Trials", "decisions", "find", "generate", "resolve"]

# Collection -> what its tasks mean -> the tasks. The place of a task is its rule unit, whatever subset is asked for.
COLLECTIONS: dict[str, dict[str, tuple[Task, ...]]] = {
    "yang19": {"go-cue": yang19.GO_CUE, "neurogym-2.3": yang19.NEUROGYM_2_3},
}

SEMANTICS = ("go-cue", "neurogym-2.3")

# Above this, the decision period of 200 ms would vanish.
MAX_DT_MS = 200

Seed = int | np.random.SeedSequence | np.random.Generator


def resolve(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names of the tasks that `names` asks for.

    Parameters
    ----------
    names : str or sequence of str
        A collection, a task, several separated by commas, or a sequence of them.

    Returns
    -------
    tuple of str
        Task names, each once, in the order asked for.

    Raises
    ------
    UsageError
        If a name is unknown, with the nearest known one, or if there is none.
    """
    known = {task.name: collection for collection, kinds in COLLECTIONS.items() for task in next(iter(kinds.values()))}
    found: dict[str, None] = {}
    for name in names.split(",") if isinstance(names, str) else names:
        name = str(name).strip()
        if name in COLLECTIONS:
            found.update(dict.fromkeys(task for task, collection in known.items() if collection == name))
        elif name in known:
            found[name] = None
        else:
            near = difflib.get_close_matches(name.lower(), [*COLLECTIONS, *known], n=1)
            hint = f"did you mean '{near[0]}'?" if near else "`neuromod tasks` lists them"
            raise UsageError(f"there is no task or collection '{name}'; {hint}")
    if not found:
        raise UsageError("no task was asked for; name one, or the collection yang19")
    return tuple(found)


def find(names: str | Sequence[str], *, semantics: str = "go-cue") -> tuple[tuple[Task, ...], Array, int]:
    """Look up tasks.

    Parameters
    ----------
    names : str or sequence of str
        What `resolve` takes.
    semantics : str
        One of `SEMANTICS`.

    Returns
    -------
    tasks : tuple of Task
        The k tasks.
    rules : (k,) int64
        The rule unit of each.
    n_rules : int
        Number of tasks in their collection.

    Raises
    ------
    UsageError
        If a name or the semantics is unknown.
    """
    if semantics not in SEMANTICS:
        raise UsageError(f"semantics must be one of {', '.join(SEMANTICS)}, found '{semantics}'")
    collection = COLLECTIONS["yang19"][semantics]
    place = {task.name: i for i, task in enumerate(collection)}
    rules = np.array([place[name] for name in resolve(names)])
    return tuple(collection[i] for i in rules), rules, len(collection)


def generate(
    names: str | Sequence[str],
    n_trials: int,
    *,
    seed: Seed,
    dt_ms: float = 100,
    noise: bool = True,
    semantics: str = "go-cue",
) -> Trials:
    """Make trials of tasks, as many of each as of the others, in random order.

    Parameters
    ----------
    names : str or sequence of str
        What `resolve` takes: ``"yang19"``, ``"go"``, ``["go", "dm1"]``.
    n_trials : int
        Number of trials in all. If it is no multiple of the number of tasks, tasks drawn at random get one more.
    seed : int, numpy.random.SeedSequence or numpy.random.Generator
        Source of randomness; equal seeds give equal trials.
    dt_ms : float, default 100
        Time step, a whole number of milliseconds from 1 to 200. Periods are floored to multiples of it.
    noise : bool, default True
        Add N(0, 1 / dt_ms) to the stimuli of the families that have noise. The trials are the same without.
    semantics : {"go-cue", "neurogym-2.3"}
        The tasks' meaning in NeuroGym up to 2.0.0, in which the end of the fixation cue tells when to answer, or the
        present one, in which it ends before the stimuli in the decision and match families.

    Returns
    -------
    Trials
        With inputs 53 wide, whatever tasks of the collection were asked for.

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
    tasks, rules, n_rules = find(names, semantics=semantics)
    dt = _checked_dt(dt_ms)
    if isinstance(n_trials, bool) or not isinstance(n_trials, (int, np.integer)) or n_trials < 1:
        raise UsageError(f"the number of trials must be a whole number above 0, found {n_trials}")
    rng = _generator(seed)
    task = spread(len(tasks), int(n_trials), rng)
    design = draw(tasks, task, rules[task], rng)
    return render(design, tasks, n_rules=n_rules, dt_ms=dt, rng=rng if noise else None)


def spread(n_tasks: int, n_trials: int, rng: np.random.Generator) -> Array:
    """Task of each trial, (n_trials,) int64: as many of each as of the others, in random order."""
    repeats, rest = divmod(n_trials, n_tasks)
    extra = rng.choice(n_tasks, size=rest, replace=False)
    task: Array = np.concatenate([np.repeat(np.arange(n_tasks), repeats), extra])
    rng.shuffle(task)
    return task


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
