"""Trained networks of the runs that a benchmark is given."""

from __future__ import annotations

from pathlib import Path

from neuromod import Network
from neuromod.runs.run import open_run
from neuromod.training.settings import Settings


def trained(path: str, *, pruned: bool = True) -> tuple[str, Network]:
    """Name of a run in the tables, and its network."""
    run = open_run(Path(path))
    settings = run.manifest()["steps"]["train"]["arguments"]
    wiring, steps = settings["wiring"], settings["training"]["steps"]
    cost = "no wiring cost" if wiring["regularizer"] == "none" else f"λ = {wiring['strength']:g}"
    name = f"{settings['network']['neurons']} neurons, {cost}, seed {settings['seed']}"
    name += f", {steps:,} steps" if steps != Settings().training.steps else ""
    network = Network.load(run.file("pruned.safetensors" if pruned else "network.safetensors"))
    return name if pruned else f"{name}, not pruned", network


def trained_network(path: str) -> tuple[str, Network]:
    """What a run was trained with and its size, as a name in the tables, and its pruned network."""
    run = open_run(Path(path))
    settings = run.manifest()["steps"]["train"]["arguments"]
    wiring, tasks = settings["wiring"], settings["tasks"]["names"]
    kind = {"bimt": "BIMT", "l1": "L1", "none": "no penalty"}.get(wiring["regularizer"], wiring["regularizer"])
    if wiring.get("cost", "distance") != "distance":
        kind = wiring["cost"]
    network = Network.load(run.file("pruned.safetensors"))
    name = f"{kind} {wiring['strength']:g}, {network.n} neurons, {network.n_synapses:,} synapses, "
    return name + f"{'Mod-Cog, ' if 'modcog' in tasks else ''}seed {settings['seed']}", network
