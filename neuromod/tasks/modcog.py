"""Mod-Cog: yang19 extended by tasks that need rotation on the ring, after Khona, Chandra, Ma and Fiete 2023.

Three groups, each to the right (``r``) and to the left (``l``):

* ``int``: the answer depends on the delay, of 0 to 1100 ms for reach and match tasks, of 500 ms for delayed decisions.
  Decisions and match: the answer is moved by one ring position per 100 ms, to higher positions for ``r``. Reach: the
  *stimulus* is moved, by 0.01 rad per ms and to higher angles for ``r``, so that the answer lies behind it, and it
  between the positions of the ring. Both as published.
* ``seq``: during the decision the answer moves by one position per 100 ms, to higher positions for ``r``.
* ``intseq``: both, to the right only; in the published file, but not in its list of 82 tasks.

Otherwise the delay of the delayed decisions is 500 ms, that of the match tasks is between 200 and 1200 ms, and go and
anti have one of 500 ms: they equal dlygo and dlyanti but for the rule input.

`STRICT` is what the published code does. `CORRECTED`, the default, differs in two points:

1. Published, the answer is wrapped round the ring after 1 was added to make it a class, so that position 15 has the
   class 0, which means "keep fixating", and class 16 does not occur. Corrected, position 15 has the class 16.
2. Published, the delay of a match task without ``int`` is drawn once for each ring when the environment is built. Here
   one call of `generate` stands for one such environment. Corrected, it is drawn for every trial.

References
----------
Khona, Chandra, Ma, Fiete, "Winning the lottery with neural connectivity constraints: faster learning across cognitive
tasks with spatially constrained sparse RNNs", Neural Computation 35, 2023, doi:10.1162/neco_a_01613, arXiv:2207.03523.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from neuromod.tasks.design import DECISION, DELAY, STIMULUS_1, Task
from neuromod.tasks.yang19 import GO_CUE, fixed

_VARYING_MS = range(200, 1200)
_STEPPED_MS = range(0, 1200, 100)


def _with_period(task: Task, period: int, lengths_ms: range) -> Task:
    timing = (*task.timing_ms[:period], lengths_ms, *task.timing_ms[period + 1 :])
    return replace(task, timing_ms=timing)  # type: ignore[arg-type]


def _is_reaction(task: Task) -> bool:
    return task.family == "reach" and task.timing_ms[STIMULUS_1] == fixed(0)


def _base(task: Task) -> Task:
    """Return a yang19 task with Mod-Cog's delay."""
    task = replace(task, origin=task.name)
    if task.family == "match":
        return _with_period(task, DELAY, _VARYING_MS)
    if task.family == "decision" or _is_reaction(task):
        return task
    if task.name in ("go", "anti"):
        task = replace(task, asks=f"{task.asks} after a delay")
    return _with_period(task, DELAY, fixed(500))


def _integrating(task: Task, side: int) -> Task:
    where = "behind" if side > 0 else "ahead of"
    if task.family == "reach":
        words = f"{task.asks.replace(' after a delay', '')}, 1 rad {where} it for every 100 ms of delay"
    else:
        words = f"{task.asks}, moved {'up' if side > 0 else 'down'} by a position per 100 ms of delay"
    # The published code steps the delay for all families but the decisions, whose delay stays at 500 ms.
    task = task if task.family == "delayed decision" else _with_period(task, DELAY, _STEPPED_MS)
    return replace(task, name=f"{task.name}int{'r' if side > 0 else 'l'}", asks=words, integrate=side)


def _sequencing(task: Task, side: int) -> Task:
    words = f"{task.asks}, moving {'up' if side > 0 else 'down'} by a position per 100 ms"
    # The published reaction tasks keep their decision of 500 ms.
    task = task if _is_reaction(task) else _with_period(task, DECISION, fixed(1000))
    return replace(task, name=f"{task.name}seq{'r' if side > 0 else 'l'}", asks=words, sequence=side)


def _collection(name: str, tasks: Iterable[Task], *, strict: bool) -> tuple[Task, ...]:
    return tuple(replace(task, name=f"{name}.{task.name}", strict=strict) for task in tasks)


_BASE = [_base(task) for task in GO_CUE]
# Every task with a delay that is one of its own, in the order of the published list.
_DELAYED = [task for task in _BASE if "dly" in task.name or task.family == "match"]
_INT = [_integrating(task, side) for task in _DELAYED for side in (1, -1)]
_SEQ = [_sequencing(task, side) for side in (1, -1) for task in _BASE]
_INTSEQ = [replace(_sequencing(_integrating(task, 1), 1), name=f"{task.name}intseq") for task in _DELAYED]

CORRECTED = _collection("modcog", [*_BASE, *_INT, *_SEQ], strict=False)
STRICT = _collection("modcog", [*_BASE, *_INT, *_SEQ], strict=True)
CORRECTED_93 = _collection("modcog93", [*_BASE, *_INT, *_SEQ, *_INTSEQ], strict=False)
STRICT_93 = _collection("modcog93", [*_BASE, *_INT, *_SEQ, *_INTSEQ], strict=True)
