"""The activity that `map` and `estimate` count packets from: what is there, or counted anew."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neuromod.activity import Activity
    from neuromod.network import Network
    from neuromod.rundir import Run

    from .output import Talk


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
    from neuromod import activity
    from neuromod.network import Network

    if run.state("prune")[0] == "missing" and run.state("train")[0] == "fresh":
        from .prune import prune_stage

        talk.say("The network is not pruned yet: running `neuromod prune` with its defaults first.")
        prune_stage(run, talk=talk)
    name = run.network_file()
    known = run.step("activity") if run.state("activity")[0] == "fresh" else None
    if known and (source is None or (source in ("rates", "spikes") and known["arguments"].get("source") == source)):
        return name, *load_network_and_activity(run, name)
    network = Network.load(run.file(name))
    started = time.perf_counter()
    found, inputs = _count(run, network, source or "rates", talk=talk)
    found.save(run.file("activity.safetensors"))
    run.record(
        "activity",
        arguments={"source": source or "rates", "trials": activity.TRIALS, "seed": activity.TRIALS_SEED},
        seconds=time.perf_counter() - started,
        inputs=[name, *inputs],
        outputs=["activity.safetensors"],
        result=activity.describe(found),
    )
    return name, network, found


def load_network_and_activity(run: Run, name: str) -> tuple[Network, Activity]:
    """Read the network file `name` of a run and the activity that was counted for it."""
    from neuromod.activity import Activity
    from neuromod.network import Network

    return Network.load(run.file(name)), Activity.load(run.file("activity.safetensors"))


def _count(run: Run, network: Network, source: str, *, talk: Talk) -> tuple[Activity, list[str]]:
    """Count or read the activity; return it and the files of the run that it was made of, beside the network."""
    from neuromod import activity
    from neuromod.errors import UsageError
    from neuromod.evaluation import trials_for

    if source not in ("rates", "spikes"):
        return activity.read_rates(Path(source), network), []
    if source == "rates":
        if "tasks" in network.info:
            talk.say(f"Counting active steps on {activity.TRIALS} task trials …")
        found = activity.find_activity(network)
        if found.kind == "every-step":
            talk.say("The network brings no rates and no tasks: every neuron counts once a step.")
        return found, []
    if "tasks" not in network.info:
        raise UsageError(
            "--activity spikes needs a network with tasks, and this one brings none; "
            "give its rates in a file: --activity FILE"
        )
    trials = trials_for(network, activity.TRIALS, seed=activity.TRIALS_SEED)
    spiking, inputs = _spiking(run, network, talk=talk)
    talk.say(f"Counting spikes on {activity.TRIALS} task trials …")
    return activity.count_spikes(spiking, trials), inputs


def _spiking(run: Run, network: Network, *, talk: Talk) -> tuple[Any, list[str]]:
    """Return the spiking network that was exported last, else one with the default conversion."""
    from neuromod.spiking import SpikingNetwork
    from neuromod.substeps import choose

    file = "spiking/snn.safetensors"
    if run.state("export-snn")[0] == "fresh" and run.file(file).exists():
        return SpikingNetwork.load(run.file(file)), [file]
    talk.say("There is no spiking export: converting with the defaults of `neuromod export --format snn` …")
    return choose(network).spiking, []
