"""Advice of the library, said in commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.errors import DoesNotFitError
    from neuromod.mapping.explanation import Advice
    from neuromod.network import Network
    from neuromod.runs.run import Run


def in_commands(
    error: DoesNotFitError, run: Run, given: Mapping[str, Any], *, network: Network, name: str
) -> DoesNotFitError:
    """Return a refusal of `map` that says what to type.

    Parameters
    ----------
    error : DoesNotFitError
        From the library.
    run : Run
        The run.
    given : mapping
        What `map` is to be given beside what changes, from `commands.as_record`.
    network : Network
        What was to be placed.
    name : str
        Its file in the run.
    """
    from neuromod.errors import DoesNotFitError

    said = [_say(advice, run, given, network, name) for advice in error.advice]
    return DoesNotFitError(error.facts, error.advice, words=", or ".join(said))


def _say(advice: Advice, run: Run, given: Mapping[str, Any], network: Network, name: str) -> str:
    from neuromod.runs import commands

    if advice.kind == "nothing":
        return advice.text
    texts: list[str] = []
    changes: dict[str, Any] = {}
    for step in advice.steps:
        if step.kind != "keep":
            changes[step.kind] = step.value
            continue
        if run.given("prune").get("packets"):
            return "pruning further than before, which would undo the pruning by packets"
        assert isinstance(step.value, float)
        keep = _of_all(step.value, run, network, name)
        texts += run.again("prune", keep=keep, threshold=None)
    typed = {key: value for key, value in commands.as_record("map", changes).items() if key in changes}
    texts += run.again("map", **{**given, **typed})
    known = "" if all(step.tried for step in advice.steps) else " or more (not tried, for its size)"
    return f"`{run.command(*texts)}`{known}"


def _of_all(keep: float, run: Run, network: Network, name: str) -> float:
    """Turn a share of a pruned network's pairs into one of the pairs of what it was pruned from."""
    from neuromod.network import Network
    from neuromod.pruning.removal import count_above, share_of, threshold_for

    if name == "network.safetensors":
        return keep
    whole = Network.load(run.file("network.safetensors"))
    threshold = threshold_for(network, round(keep * network.n**2))
    return share_of(count_above(whole, threshold), whole.n)
