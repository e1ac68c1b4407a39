"""The 20 cognitive tasks of Yang et al. 2019 as NeuroGym's collection ``yang19`` defines them.

References
----------
Yang, Joglekar, Song, Newsome, Wang, "Task representations in neural networks trained to perform many cognitive
tasks", Nature Neuroscience 22, 2019, doi:10.1038/s41593-018-0310-2. NeuroGym: Molano-Mazón et al. 2022,
doi:10.31234/osf.io/aqc9n.
"""

from __future__ import annotations

from dataclasses import replace

from neuromod.tasks.design import Task


def fixed(ms: int) -> range:
    """One possible length, in milliseconds."""
    return range(ms, ms + 1)


NONE = fixed(0)

# Fixation, stimulus 1, delay, stimulus 2, decision.
_GO = (fixed(500), fixed(500), NONE, NONE, fixed(500))
_RT = (fixed(500), NONE, NONE, NONE, fixed(500))
_DLYGO = (fixed(500), fixed(500), fixed(500), NONE, fixed(500))
_DM = (range(200, 500), fixed(500), NONE, NONE, fixed(200))
_DLYDM = (range(200, 500), fixed(500), fixed(1000), fixed(500), fixed(200))
_MATCH = (fixed(300), fixed(500), fixed(1000), fixed(500), fixed(900))

_GO_ASKS = "answer with the position of the stimulus"
_ANTI_ASKS = "answer opposite to the stimulus"
_DM_ASKS = "answer with the stronger of two stimuli"
_DLYDM_ASKS = "answer with the stronger of two successive stimuli"
_HALF = "the first's half of the ring"

# The place in this list is the task's rule unit; it is NeuroGym's order.
GO_CUE = (
    Task("go", _GO_ASKS, "reach", _GO),
    Task("rtgo", f"{_GO_ASKS} as soon as it appears", "reach", _RT),
    Task("dlygo", f"{_GO_ASKS} after a delay", "reach", _DLYGO),
    Task("anti", _ANTI_ASKS, "reach", _GO, anti=True),
    Task("rtanti", f"{_ANTI_ASKS} as soon as it appears", "reach", _RT, anti=True),
    Task("dlyanti", f"{_ANTI_ASKS} after a delay", "reach", _DLYGO, anti=True),
    Task("dm1", f"{_DM_ASKS} on ring 1", "decision", _DM, shown=(1, 0)),
    Task("dm2", f"{_DM_ASKS} on ring 2", "decision", _DM, shown=(0, 1)),
    Task("ctxdm1", f"{_DM_ASKS} on ring 1, ignoring ring 2", "decision", _DM, weights=(1, 0)),
    Task("ctxdm2", f"{_DM_ASKS} on ring 2, ignoring ring 1", "decision", _DM, weights=(0, 1)),
    Task("multidm", f"{_DM_ASKS}, both rings added", "decision", _DM),
    Task("dlydm1", f"{_DLYDM_ASKS} on ring 1", "delayed decision", _DLYDM, shown=(1, 0)),
    Task("dlydm2", f"{_DLYDM_ASKS} on ring 2", "delayed decision", _DLYDM, shown=(0, 1)),
    Task("ctxdlydm1", f"{_DLYDM_ASKS} on ring 1, ignoring ring 2", "delayed decision", _DLYDM, weights=(1, 0)),
    Task("ctxdlydm2", f"{_DLYDM_ASKS} on ring 2, ignoring ring 1", "delayed decision", _DLYDM, weights=(0, 1)),
    Task("multidlydm", f"{_DLYDM_ASKS}, both rings added", "delayed decision", _DLYDM),
    Task("dms", "answer with the second position if it equals the first", "match", _MATCH),
    Task("dnms", "answer with the second position unless it equals the first", "match", _MATCH, go_on_match=False),
    Task("dmc", f"answer with the second position if it is in {_HALF}", "match", _MATCH, category=True),
    Task(
        "dnmc",
        f"answer with the second position unless it is in {_HALF}",
        "match",
        _MATCH,
        category=True,
        go_on_match=False,
    ),
)


def _in_neurogym_2_3(task: Task) -> Task:
    """Return the task as NeuroGym 2.1.0 to 2.3.1 has it: no go cue where there is noise, dm1 of three lengths."""
    if task.family == "reach":
        return task
    timing = (range(200, 500), range(200, 601, 200), NONE, NONE, fixed(200)) if task.name == "dm1" else task.timing_ms
    return replace(task, timing_ms=timing, long_cue=False, noisy_cue=False)


NEUROGYM_2_3 = tuple(_in_neurogym_2_3(task) for task in GO_CUE)
