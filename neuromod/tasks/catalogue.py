"""Which tasks there are, and how they are asked for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache

import numpy as np

from neuromod.errors import UsageError
from neuromod.tasks import modcog, yang19
from neuromod.tasks.design import Task
from neuromod.trials import Array

# Collection -> its tasks. The place of a task is its rule unit, whatever subset is asked for.
COLLECTIONS: dict[str, tuple[Task, ...]] = {
    "yang19": yang19.GO_CUE,
    "modcog": modcog.CORRECTED,
    "modcog93": modcog.CORRECTED_93,
}

SEMANTICS = ("go-cue", "neurogym-2.3")

# What the tasks of a collection mean otherwise: (collection, semantics, strict) -> its tasks.
_OTHER_MEANINGS = {
    ("yang19", "neurogym-2.3", False): yang19.NEUROGYM_2_3,
    ("modcog", "go-cue", True): modcog.STRICT,
    ("modcog93", "go-cue", True): modcog.STRICT_93,
}

FOREIGN = "neurogym:"


@cache
def _names() -> dict[str, tuple[str, str]]:
    """What a task may be called -> its collection and its name; an unqualified name means the first collection."""
    known: dict[str, tuple[str, str]] = {}
    for collection, tasks in COLLECTIONS.items():
        for task in tasks:
            bare = task.name.rpartition(".")[2]
            known[f"{collection}.{bare}"] = (collection, task.name)
            known.setdefault(bare, (collection, task.name))
    return known


def resolve(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names of the tasks that `names` asks for.

    Parameters
    ----------
    names : str or sequence of str
        A collection (``yang19``, ``modcog``, ``modcog93``), a task (``go``, ``modcog.go``, ``goseqr``), several
        separated by commas, or a sequence of them; or ``neurogym:ENV``.

    Returns
    -------
    tuple of str
        Task names, each once, in the order asked for.

    Raises
    ------
    UsageError
        If a name is unknown, with the nearest known one, if there is none, or if they are of several collections.
    """
    known = _names()
    found: dict[str, str] = {}
    for given in names.split(",") if isinstance(names, str) else names:
        name = str(given).strip()
        if name in COLLECTIONS:
            found.update({task.name: name for task in COLLECTIONS[name]})
        elif name in known:
            collection, task_name = known[name]
            found[task_name] = collection
        elif name.startswith(FOREIGN) and len(name) > len(FOREIGN):
            found[name] = name
        else:
            near = difflib.get_close_matches(name.lower(), [*COLLECTIONS, *known], n=1)
            hint = f"did you mean '{near[0]}'?" if near else "`neuromod.tasks.COLLECTIONS` lists them"
            raise UsageError(f"there is no task or collection '{name}'; {hint}")
    if not found:
        raise UsageError("no task was asked for; name one, or the collection yang19")
    if len(set(found.values())) > 1:
        first, second = list(dict.fromkeys(found.values()))[:2]
        raise UsageError(
            f"the tasks are of the collections {first} and {second}, whose rule inputs differ; choose tasks of one, "
            "as modcog.go, which is in the collection modcog"
        )
    return tuple(found)


def find(
    names: str | Sequence[str], *, semantics: str = "go-cue", strict: bool = False
) -> tuple[tuple[Task, ...], Array, int]:
    """Look up tasks.

    Parameters
    ----------
    names : str or sequence of str
        What `resolve` takes, but not ``neurogym:ENV``.
    semantics : {"go-cue", "neurogym-2.3"}
        What the tasks of yang19 mean.
    strict : bool, default False
        Mod-Cog as published.

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
        If a name or the semantics is unknown, or the collection has no such meaning.
    """
    if semantics not in SEMANTICS:
        raise UsageError(f"semantics must be one of {', '.join(SEMANTICS)}, found '{semantics}'")
    return _find(resolve(names), semantics, strict)


def base_tasks(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names of those tasks that are no variant of another: neither ``int`` nor ``seq`` of Mod-Cog.

    Parameters
    ----------
    names : str or sequence of str
        What `resolve` takes.

    Returns
    -------
    tuple of str
        Those of them, in their order; of the tasks of yang19, all.

    Raises
    ------
    UsageError
        As `resolve`.

    Examples
    --------
    >>> from neuromod.tasks import base_tasks
    >>> base_tasks("modcog.go,goseqr,dmsintl"), len(base_tasks("modcog"))
    (('modcog.go',), 20)
    """
    chosen = resolve(names)
    known = {task.name: task for tasks in COLLECTIONS.values() for task in tasks}
    return tuple(name for name in chosen if name not in known or not (known[name].integrate or known[name].sequence))


@cache
def _find(chosen: tuple[str, ...], semantics: str, strict: bool) -> tuple[tuple[Task, ...], Array, int]:
    if chosen[0].startswith(FOREIGN):
        raise UsageError(f"{chosen[0]} is made by NeuroGym, so nothing more is known about it here")
    collection = next(name for name, tasks in COLLECTIONS.items() if any(task.name == chosen[0] for task in tasks))
    if (semantics, strict) == ("go-cue", False):
        tasks = COLLECTIONS[collection]
    elif (collection, semantics, strict) in _OTHER_MEANINGS:
        tasks = _OTHER_MEANINGS[collection, semantics, strict]
    elif strict:
        raise UsageError(f"strict asks for Mod-Cog as published; it does not apply to {collection} with {semantics}")
    else:
        raise UsageError(f"the semantics {semantics} is a meaning of yang19; {collection} has go-cue alone")
    place = {task.name: i for i, task in enumerate(tasks)}
    rules = np.array([place[name] for name in chosen])
    rules.setflags(write=False)
    return tuple(tasks[i] for i in rules), rules, len(tasks)
