"""The activity that `map` and `estimate` count packets from: what is there, or counted anew."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.metrics import Activity
    from neuromod.network import Network
    from neuromod.runs import Run
    from neuromod.stages.talk import Talk

_SPIKING = "spiking/snn.safetensors"


def network_with_activity(run: Run, *, talk: Talk, source: str | None = None) -> tuple[str, Network, Activity]:
    """File and network that later stages work on, pruned first if need be, and its activity, counted if need be.

    Parameters
    ----------
    run : Run
        The run.
    talk : Talk
        Where it says what it does.
    source : str, optional
        ``rates``, ``spikes`` or the path of a file; if omitted, what was counted before, else ``rates``.

    Raises
    ------
    UsageError
        If the activity asked for cannot be had.
    """
    from neuromod.metrics import activity

    if run.step("prune") is None and run.state("train")[0] == "fresh":
        from neuromod.stages.prune import prune_stage

        talk.say("The network is not pruned yet: running `neuromod prune` with its defaults first.")
        prune_stage(run, talk=talk)
    name = run.network_file()
    if run.state("activity")[0] == "fresh" and _serves(run, name, source):
        return name, *load_network_and_activity(run, name)
    network = run.network(name)
    # What was counted before is counted anew where its network or its export has changed.
    source = source or _source(run, talk=talk)
    started = time.perf_counter()
    found, export = _count(run, name, network, source, talk=talk)
    found.save(run.file("activity.safetensors"))
    run.record(
        "activity",
        arguments={"source": source, "export": export, "trials": activity.TRIALS, "seed": activity.TRIALS_SEED},
        seconds=time.perf_counter() - started,
        inputs=[name],
        outputs=["activity.safetensors"],
        result=activity.describe(found),
    )
    return name, network, found


def _serves(run: Run, name: str, source: str | None) -> bool:
    """Whether the fresh activity of a run is what `source` asks for; spikes are those of the export that is there."""
    known = (run.step("activity") or {"arguments": {}})["arguments"]
    if source is not None and (source not in ("rates", "spikes") or source != known.get("source")):
        return False
    return bool(known.get("source") != "spikes" or known.get("export") == _export(run, name))


def _export(run: Run, name: str) -> str | None:
    """Digest of the spiking network that was exported of the network file `name`; None if there is none.

    It is no input of the activity: an export carries the placement, which depends on the activity.
    """
    from neuromod.files import sha256

    record, path = run.step("export-snn"), run.file(_SPIKING)
    if record is None or not path.exists() or record["inputs"].get(name) != sha256(run.file(name)):
        return None
    digest = sha256(path)
    return digest if record["outputs"].get(_SPIKING) == digest else None


def load_network_and_activity(run: Run, name: str) -> tuple[Network, Activity]:
    """Read the network file `name` of a run and the activity that was counted for it."""
    from neuromod.metrics import Activity

    return run.network(name), Activity.load(run.file("activity.safetensors"))


def _source(run: Run, *, talk: Talk) -> str:
    """What was counted last, ``rates`` or ``spikes``; a file that was read is not read again unasked."""
    known = (run.step("activity") or {"arguments": {}})["arguments"].get("source")
    if known not in (None, "rates", "spikes"):
        talk.warn(f"the rates in {known} were those of another network and are left; --activity FILE gives new ones")
    return known if known in ("rates", "spikes") else "rates"


def _count(run: Run, name: str, network: Network, source: str, *, talk: Talk) -> tuple[Activity, str | None]:
    """Count or read the activity; return it and the digest of the export whose spikes they are, if any."""
    from neuromod.errors import UsageError
    from neuromod.metrics import activity, has_tasks, trials_for
    from neuromod.spiking import count_spikes, is_leaky

    if source not in ("rates", "spikes"):
        return activity.read_rates(Path(source), network), None
    # What spikes already has no other rates than its spikes.
    if source == "rates" and not (is_leaky(network) and has_tasks(network)):
        if has_tasks(network):
            talk.say(f"Counting active steps on {_trials(network)} …")
        found = activity.find_activity(network)
        if found.kind == "every-step":
            talk.say("The network brings no rates and no tasks: every neuron counts once a step.")
        return found, None
    if not has_tasks(network):
        raise UsageError(
            "--activity spikes needs a network with tasks, and this one brings none; "
            "give its rates in a file: --activity FILE"
        )
    trials = trials_for(network, activity.TRIALS, seed=activity.TRIALS_SEED, split="train")
    spiking, export = _spiking(run, name, network, talk=talk)
    talk.say(f"Counting spikes on {_trials(network)} …")
    return count_spikes(spiking, trials), export


def _trials(network: Network) -> str:
    from neuromod.metrics import activity

    if network.data is None:
        return f"{activity.TRIALS} task trials"
    return f"{min(activity.TRIALS, network.data.counts()['train'])} training trials"


def _spiking(run: Run, name: str, network: Network, *, talk: Talk) -> tuple[Any, str | None]:
    """Return the spiking network that was exported last, else one with the default conversion."""
    from neuromod.spiking import SpikingNetwork, choose, is_leaky

    if is_leaky(network):
        return network, None
    export = _export(run, name)
    if export is not None:
        return SpikingNetwork.load(run.file(_SPIKING)), export
    talk.say("There is no spiking export: converting with the defaults of `neuromod export --format snn` …")
    return choose(network).spiking, None
